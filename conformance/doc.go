// Package conformance proves that a rollout keeps the rules of [core.Rollout],
// and a store those of [core.Store]. It is for whoever connects a flag system to
// experiments, writes a method of splitting units, or keeps assignments
// somewhere. It imports the standard library, core and core/memstore alone.
//
// A test of your package gives [Run] a [Harness]: how to get a rollout over a
// flag system that holds a given [Flag], and what the flag system can't do. The
// example of [Run] is a whole one, and examples/customprovider a provider with
// its test. A test of a store gives [RunStore] a [StoreHarness] in the same
// manner. Run it with -race.
//
// ROLLOUTKIT_UPDATE=1 go test writes testdata/conformance-<name>.json, the
// report of what was proved. Commit it: every later run is held against it, and
// [Matrix] makes a table of several.
//
// What a flag system or a store can't do is opted out of by capability, with a
// reason that the report repeats: nothing is left out in silence. A law that was
// not run, because of -run or because a hook ended the test, leaves the report
// incomplete, and an incomplete report is never conformant.
//
// Each law is data: a sentence in the words of the interface's comment, the
// capabilities that it needs and a check. The suite itself is tested by broken
// rollouts and stores: each law catches at least one.
package conformance
