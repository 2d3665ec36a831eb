// Package conformance proves that a rollout keeps the rules of [core.Rollout].
// It is for whoever connects a flag system to experiments, or writes a method
// of splitting units. It imports the standard library and core alone.
//
// A test of your package gives [Run] a [Harness]: how to get a rollout over a
// flag system that holds a given [Flag], and what the flag system can't do. The
// example of [Run] is a whole one, and examples/customprovider a provider with
// its test. Run it with -race.
//
// ROLLOUTKIT_UPDATE=1 go test writes testdata/conformance-<name>.json, the
// report of what was proved. Commit it: every later run is held against it, and
// [Matrix] makes a table of several.
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
