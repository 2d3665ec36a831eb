// Package launchdarkly lets LaunchDarkly's flags decide experiments.
//
//	client, err := ld.MakeCustomClient(sdkKey, ld.Config{}, 5*time.Second)
//	experiments, err := core.New(core.Config{Rollout: launchdarkly.New(client, nil), ...})
//
// The flag has the key of the experiment's full name. Its value names the
// variant: a string flag by its text, a JSON flag by its field "variant". A
// boolean flag selects units, and the core spreads those over the variants.
//
// # What LaunchDarkly sees
//
// A unit is a context of kind "experiment-unit", with the anonymous key as its
// key and the unit's traits as attributes. So the flag's percentage rollout or
// experiment has to be randomized by that kind, which is created in LaunchDarkly
// once. Its default is "user", and a rollout by a kind that a context doesn't
// have gives everybody the first variation without a word. With [DataStore]
// that is an error here; without it nobody can tell.
//
// Teams whose flags target their own users set [Options.Kind] to "user" and
// [Options.KeyTrait] to the trait that holds the user's key. [Options.Kinds]
// adds organizations, devices and the like.
//
// # On and running
//
// An evaluation says FALLTHROUGH of a flag that gives everybody one variation,
// and of one that splits. [DataStore], put into the client's config, lets the
// rollout look at the flag itself, so that it tells the two apart, knows who is
// outside of an experiment's traffic, and sees a rollout that can't work.
// Without it, and under the SDK's FDv2, every flag that is on and not an
// experiment in LaunchDarkly counts as running, and units outside of an
// experiment's traffic count as its controls.
//
// # Who counts
//
// [Options.Exposure] says whose events count a unit as exposed.
//
// ExposureOurs, the default: an evaluation sends nothing. The experiment is
// counted by our assignment events, wherever Config.Tracker sends them.
// LaunchDarkly's own results stay empty, and it may show the flag as inactive.
//
// ExposureLaunchDarkly: each evaluation sends LaunchDarkly's feature event, and
// the [Tracker] here sends no assignment events, only the app's own as metrics.
// LaunchDarkly's results fill up. They count what was evaluated, which is not
// always what was served: the flag is evaluated before exclusions, segments and
// forced assignments are looked at, so those units count with the variation
// that the flag had for them. A stored variant is served while LaunchDarkly
// counts today's evaluation; after weights changed, the two differ for some
// units, and LaunchDarkly's results mix the variants. Its results are right as
// long as nobody is excluded, segmented, forced or migrated and weights don't
// change.
//
// ExposureBoth: both events. Our assignment event has the variant served, with
// source "stored" where that came from the store, and goes to LaunchDarkly too
// if the Tracker here sends it, as custom data for its export. Joining both by
// the context's key shows which units LaunchDarkly counts under another variant.
//
// Every trial evaluates the flag once, a stored hit too, because a flag that is
// off hides what is stored. So LaunchDarkly's numbers are those of trials.
// LaunchDarkly counts a unit under the key it was evaluated with, which is the
// oldest key presented; after a migration or a rotated secret it is another
// context there as soon as the old key is no longer presented.
//
// # Not ready, offline, disconnected, closed
//
// The rollout serves what the client has. A client that lost its stream or was
// closed keeps answering with the last flags it had, one with a persistent store
// with those in the store. One that never had any, or is offline, gives
// [core.ErrNotReady]: control, untracked, nothing stored. Nothing blocks. The
// rollout adds no listeners to the client: a flag change listener that nobody
// drains stops all updates of the SDK after ten.
//
// # Flags in files
//
// The SDK's ldfiledata package reads flags from a file, for development and
// tests. Those under "flags" are like any other. Those of its short form,
// "flagValues", are off, so their experiments are.
//
// # Ramps
//
// LaunchDarkly cuts a percentage rollout in the order of the flag's variations.
// Growing one variation moves the cuts of all that come after it, so units can
// change from one variant to another. Experiments with a store don't mind:
// assigned units stay, and only open controls move. Without one, a ramp moves
// controls only if there is one variant, or two with control listed between
// them.
package launchdarkly
