// Package unleash has an Unleash server decide experiments, through the client
// that the team already runs: unleash-client-go/v4, checked at v4.5.0 against
// unleash-server 8.2.0.
//
//	storage := unleash.NewStorage(nil, nil)
//	client, err := uc.NewClient(
//		uc.WithUrl("https://unleash.example.com/api/"),
//		uc.WithAppName("shop"),
//		uc.WithCustomHeaders(http.Header{"Authorization": {token}}),
//		uc.WithHttpClient(&http.Client{Timeout: 5 * time.Second}), // else a silent server blocks NewClient
//		uc.WithBackupPath("/var/lib/shop/unleash-production"),     // a directory for each server
//		uc.WithStorage(storage),
//		uc.WithListener(unleash.Detach(listener)), // if there is one
//	)
//	rollout := unleash.New(client, &unleash.Options{Storage: storage})
//
// A client that was made without that storage works too, by
// unleash.New(client, nil). It costs a copy of all toggles once a second, which
// is half a microsecond each, and a change is seen that much later. And some
// things can't be told then: that the client was closed, that its toggles come
// from a backup, and that a server has none.
//
// # Toggles
//
// The toggle of an experiment has its full name, unless [Options] say otherwise.
// It is off if it is disabled or can select nobody; on if everybody gets one and
// the same variant; and else conditional, an experiment that runs. Units that no
// strategy selects are the control group. A selected unit gets the variant that
// the toggle names, or, if it names none, the core spreads selected units evenly.
// mapping.go begins with the whole table.
//
// The toggle to make is one strategy "gradual rollout", whose percentage is the
// share of units that leave control, and its strategy variants, which are all but
// control. Growing the percentage then moves units out of control alone. With
// control among the variants a change of weights moves units between all of
// them; a [core.Store] keeps those that were assigned already.
//
// State and variant are read from one and the same definition, whatever is
// changed meanwhile. Its parents are not part of that: where the client's answer
// does not fit the definition it is asked once more, and then it is an error.
//
// # What Unleash gets to know
//
// The unit's key, as UserId and SessionId, is what Unleash hashes on, always
// set: without, this client draws a variant anew at every call. Traits become
// properties. Nothing else leaves the process; toggles that target users by
// their real ids need those as a trait of another name, or [Options.Context].
//
// # Metrics
//
// One evaluation counts once in Unleash's metrics, and the core evaluates once
// per trial, or once per request where a request scope keeps decisions. So
// Unleash counts trials, and not units: stored, excluded and forced ones too,
// each under the variant that the toggle names today. That says that a toggle is
// in use; for who got what, look at the assignment events. For no counts make
// the client with WithDisableMetrics(true), or a second one for experiments.
//
// # Readiness
//
// Nothing here waits for the server. What the client has is evaluated: a
// backup, bootstrap data, the last answer of a server that is gone. If it has
// nothing, that is [core.ErrNotReady], and the core serves control, untracked
// and unstored. An app that wants to wait has the client's OnReady close a
// channel and waits for that with a deadline: WaitForReady never returns while
// the server is away, and it does not return for a backup.
//
// # Payloads
//
// A variant's payload is no part of a decision. [Rollout.Payload] looks it up by
// experiment and variant, for the behaviour of the variant that a unit got, be it
// by a stored assignment.
//
// # Conversions
//
// Unleash has no endpoint for conversions, so there is no core.Tracker here.
// What it has are impressions: for a toggle with impressionData the client calls
// its listener's OnImpression with each evaluation, whose context holds the
// experiment's key as UserId. Send those where the core's own events go, and
// join by the key. A client without metrics makes impressions too.
//
// # Limits of the client
//
// Guarded against are these defects, which tests show:
//
//   - With a [Storage], evaluations that would never return because the client
//     was closed are [ErrClosed], and Close waits for those under way. Without
//     one an evaluation after Close never returns, unless metrics are disabled.
//     A second Close of the client panics.
//   - A listener that evaluates a toggle stops the client for ever, and one that
//     panics ends the process; [Detach] prevents both.
//   - A panic over a parameter that is missing, as in bootstrap data written by
//     hand, is an error.
//   - Variants that weigh nothing would switch on, in the whole process, all
//     toggles that are off or absent. They do no harm here, and it does no harm
//     here where somebody else evaluates them.
//   - Backups and bootstrap data hold no segments, so that toggles with segments
//     would select nobody. They are [core.ErrNotReady] until a server answers.
//     Without a [Storage] nobody can tell.
//   - Draws at random, see [Options.AllowRandom].
//
// Left to the app are:
//
//   - NewClient waits for the server to answer, without end by default: give it
//     an http.Client with a timeout.
//   - Backups are named after the app alone: give each server a directory.
//   - The client reads segments without a lock while it replaces them, a data
//     race that go test -race may report.
//   - After a 401, 403 or 404 the client pauses for ten intervals, and needs
//     ten successful polls to come back to its pace.
//   - A NewClient that fails leaves a goroutine behind, and Close drops metrics
//     that were not sent.
package unleash
