// Package openfeature connects experiments with OpenFeature, in three ways that
// don't need each other:
//
//   - a [Hook] gives experiment tracking to an app that evaluates flags through
//     OpenFeature already;
//   - a [Rollout] lets the flags of any OpenFeature provider decide experiments;
//   - a [Provider] shows experiments as flags to code that only speaks
//     OpenFeature.
//
// None of them knows of the SDK's global API. All work on the API instances and
// named domains of the clients that they are given, and keep no state of the
// process.
//
// # The hook: tracking for flags that the app evaluates
//
// An app that asks OpenFeature for its flags needs one line:
//
//	api.AddHooks(openfeature.NewHook(experiments, openfeature.OnlyFlags("button_color")))
//
// From then on each evaluation of button_color that selects a variant sends an
// assignment event through the [core.Client]'s Tracker: experiment, variant and
// the user's anonymous key, with the ID by which a consumer counts it once.
// Nothing else in the app changes: no value, no error, no call. The comment of
// [Hook] lists what is not recorded.
//
// The experiment need not be defined anywhere. The variant is the answer's
// variant, or the value where there is none. Of a boolean flag, true is
// "candidate" and false is "control", unless the experiment is defined and has
// the flag's variant. Of other flags control is the variant called control, or
// as [ControlNamed] says. [OnlyFlags] and [NamedBy] say which flags are
// experiments, [UnitBy] who is counted, [ExcludedBy] who is not. Behind the
// middleware of core/web an evaluation that is repeated in one request is
// recorded once, and that of a visitor who asks not to be tracked is not.
//
// A flag system that splits by fixed shares says SPLIT, or TARGETING_MATCH as
// flagd does, of all units, control included: these are the comparison. A unit
// that no rule matches is DEFAULT. It is not part of the experiment and not
// recorded. So an experiment for some users only is a split inside of a rule.
//
// Events of the app's own, as a purchase, go to the same Tracker once the
// experiment is defined on the client, by Experiment.Track. And once it is, the
// core can take over the decisions too, with the rollout: the keys and the event
// IDs stay the same.
//
// # The rollout: flags decide experiments
//
//	client := api.NewClient(of.WithDomain("flags"))
//	experiments, err := core.New(core.Config{Rollout: openfeature.New(client, nil), ...})
//
// The flag has the key of the experiment's full name, and is a string flag whose
// variants, or values, are called as the experiment's; [Options] says otherwise.
// Each trial evaluates it once, with the unit's anonymous key as the targeting
// key and its traits as attributes. What the API, the client and the transaction
// context add is respected.
//
// OpenFeature tells no more of a flag than the reason of one evaluation. The
// comment of decide, in mapping.go, has the table from reasons to states. A flag
// can say its state itself: a text "off", "conditional" or "on" under "state" in
// its metadata overrides the guess. It is worth it for a flag that is fully on by
// a rule, which looks like a running experiment otherwise, and for an experiment
// that gives everybody one variant for a while and is to go on.
//
// Providers that are NOT_READY or FATAL are [core.ErrNotReady]: control,
// untracked, nothing stored. One that is STALE or in ERROR is served as long as
// it answers. One that panics is an error. One that hangs hangs its caller,
// unless Options.Timeout is set.
//
// # Real providers
//
// These pass the conformance suite; their reports are beside its tests. "Always
// one" is a flag that gives everybody the same.
//
//	                  go-sdk's memprovider   flagd, in process      OFREP, GO Feature Flag relay
//	version           v1.20.0                v0.6.0                 v0.1.6, relay v1.52.1
//	always one        STATIC                 STATIC                 STATIC
//	split             the author's word      TARGETING_MATCH        SPLIT
//	a rule matches    the author's word      TARGETING_MATCH        TARGETING_MATCH
//	rule with split   the author's word      TARGETING_MATCH        TARGETING_MATCH_SPLIT
//	none matches      the author's word      DEFAULT                DEFAULT
//	always one, by a  the author's word      TARGETING_MATCH: say   STATIC
//	split of 100 %                           the state in metadata
//	disabled          DISABLED               DISABLED               DISABLED
//	absent            FLAG_NOT_FOUND         FLAG_NOT_FOUND         FLAG_NOT_FOUND
//	never connected   (none)                 state ERROR, which is  GENERAL at each evaluation:
//	                                         ErrNotReady            an error, not ErrNotReady
//	metadata          of the answer          of the flag            of the flag
//	evaluation        local                  local                  one HTTP request: set a Timeout
//	counted as an     no                     no                     by the relay's exporters, unless
//	exposure                                                        the flag has trackEvents: false
//	stable ramp       the author's choice    with control listed    with control between the others
//	                                         between the others     by name
//
// A stored hit evaluates the flag too, because a flag that is off hides what is
// stored. Where an evaluation counts as an exposure, it counts once for each
// trial, and excluded and segmented units count with what the flag had for them;
// the table says how to stop that. Hooks of the app's own that count evaluations
// tell those of a rollout by the hint [RolloutHint].
//
// Also seen: flagd's provider v0.3.0 reports disabled flags as missing, so that
// off is an error there; v0.6.0 splits other units into other variants than
// v0.3.0 did. flagd's file is to be replaced by a rename: one that is being
// written is read half. The OFREP provider sends no Content-Type, which the relay
// wants:
//
//	ofrep.NewProvider(url, ofrep.WithHeaderProvider(func() (string, string) { return "Content-Type", "application/json" }))
//
// # The provider: experiments as flags
//
//	core.Bind(buttonColor, func(attrs map[string]any) (*User, error) { ... })
//	err := api.SetProviderAndWait(ctx, openfeature.NewProvider(experiments), of.WithDomain("experiments"))
//
// Code that evaluates the flag button_color in that domain runs the experiment:
// stored, excluded, forced, tracked as ever. The comment of resolutionOf, in
// resolution.go, has the table from assignments to reasons and errors. Code that
// calls Track on an OpenFeature client reaches the Tracker.
//
// An experiment whose own rollout asks OpenFeature, in a domain where this same
// provider answers, would ask itself. That is an error when the provider is
// registered. What can't be seen then, as in a wrapper of somebody's own, ends as
// an error of the evaluation.
package openfeature
