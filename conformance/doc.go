// Package conformance proves that a rollout keeps the rules of [core.Rollout].
// It is for whoever connects a flag system to experiments, or writes a method
// of splitting units. It imports the standard library and core alone.
//
// A test of your package gives [Run] a [Harness]: how to get a rollout over a
// flag system that holds a given [Flag], and what the flag system can't do.
//
//	func TestConformance(t *testing.T) {
//		conformance.Run(t, conformance.Harness{
//			Name: "acme",
//			New: func(t *testing.T, f conformance.Flag) (core.Rollout, func(conformance.Flag)) {
//				server := acmetest.NewServer(t)
//				server.Put(f.Experiment, translate(f))
//				return acme.New(server.Client(), nil), func(f conformance.Flag) { server.Put(f.Experiment, translate(f)) }
//			},
//			Unready: func(t *testing.T) core.Rollout { return acme.New(acme.Unconnected(), nil) },
//			Unsupported: map[core.Capability]string{
//				core.StableRamp: "acme cuts variants one after another, so all cuts move",
//			},
//		})
//	}
//
// Run it with -race. ROLLOUTKIT_UPDATE=1 go test then writes
// testdata/conformance-acme.json, the report of what was proved; commit it, and
// every later run is held against it. The program in examples/customprovider is
// a whole provider with its test.
//
// What a flag system can't do is opted out of by capability, with a reason that
// the report repeats: nothing is left out in silence. A law that was not run,
// because of -run or because a hook ended the test, leaves the report
// incomplete, and an incomplete report is never conformant.
//
// [Laws] lists the laws. Each is data: a sentence, the capabilities it needs,
// the flags it wants and a check. The suite itself is tested by broken rollouts:
// each law catches at least one.
package conformance
