// Package core runs A/B/n experiments on top of the flag system that a team
// already has. The flag system decides whether an experiment runs and who is in
// it; core makes that decision sticky, excludes, segments, forces, tracks and
// publishes it.
//
// # Terms
//
//   - An experiment compares a control, which is the original behaviour, with one
//     or more variants. A [Definition] says what it is; [Define] makes it.
//   - A subject is the app's own value: a *User, a request. A [Unit] is what the
//     assignment sticks to, made from the subject: a user, a project, a user in a
//     project. Its key is an anonymous hash of it.
//   - A [Rollout] asks the flag system: off, conditional (running) or on
//     (resolved), and which variant this unit gets.
//   - A [Trial] is one subject's encounter with an experiment. An [Assignment] is
//     what came of it, with the [Source] that says why.
//   - A [Store] keeps assignments, a [Tracker] receives events.
//
// # One whole example
//
//	client, err := core.New(core.Config{
//		Rollout:   unleash.New(uc, nil),
//		Store:     memstore.New(nil),
//		Tracker:   tracker,
//		KeySecret: secret,
//	})
//	pillColor, err := core.Define(client, core.Definition[*User, string]{
//		Name:     "pill_color",
//		Unit:     func(u *User) core.Unit { return core.Actor(u.ID) },
//		Control:  core.Variant[*User, string]{Value: "grey"},
//		Variants: []core.Variant[*User, string]{{Name: "red", Value: "red"}, {Name: "blue", Value: "blue"}},
//	})
//	color, err := pillColor.Run(ctx, user)
//	err = pillColor.Track(ctx, user, core.Event{Action: "clicked"})
//
// # The decision order
//
// An assignment is decided by the first of these steps that applies. Its word is
// the assignment's [Source].
//
//	opted-out   Config.OptOut says so               control, untracked
//	no-unit     nobody to assign, or a unit fault   control, untracked
//	off         the flag is off, or Enabled says no control, untracked
//	error       the flag system failed              control, untracked
//	manual      Trial.AssignTo                      that variant, tracked, kept
//	forced      WithForced, or the request          that variant, tracked, kept
//	stored      the store has an assignment         that variant, tracked
//	unassigned  only assigned, and nothing stored   control, untracked
//	excluded    Trial.Exclude, or a rule matches    control, untracked
//	outside     not in the experiment's traffic     control, untracked
//	segmented   a segment matches                   its variant, tracked, kept
//	resolved    what the rollout says               that variant, tracked, kept
//
// A unit that a running flag did not select is a tracked control. A unit of an
// experiment that is off is an untracked one. The first is half of every
// comparison; the second is in no comparison.
//
// # Why controls are kept
//
// A resolved control is stored like any variant. Were it not, its unit would
// leave the experiment as soon as a rule excludes it, while the units of the
// variants stay, and the comparison would lie. Such a control is open: a later
// ramp of the rollout can still move it to a variant, once, and the assignment
// then says which it had before. [Definition.StickyControl] closes it;
// [Definition.TransientControl] does not keep it.
//
// # Requests
//
// A ctx of [WithScope], such as package core/web gives each request, lets
// visitors whom nobody knows take part: a cookie stands in for the actor and
// carries what they got, so that nothing is stored before it has come back. When
// they sign in, the assignment goes over to the actor. Within one request an
// experiment decides once for each unit, and sends its assignment event once.
//
// # When things fail
//
// The caller always gets an experience: never an error of the experiment, never
// its panic. The flag system fails: control, untracked, nothing stored. The
// store fails: what can be decided without it is served, and the event is
// marked degraded. A rule, a callback or a tracker panics: it is recovered,
// counted in [Stats] and logged with its stack. [Assignment.Err] says what went
// wrong. Only a behaviour's own error and panic reach the caller.
//
// # Privacy
//
// Attributes make the key and go nowhere else: not to the flag system, the
// store, an event or the log. What the flag system may know of a unit is what
// [Unit.Traits] names. Keys are HMAC-SHA-256 under [Config.KeySecret], so nobody
// finds a user id from a key by trying all of them.
package core
