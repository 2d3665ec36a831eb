// Command pages keeps README.md and the other pages true. It rewrites what
// stands between these comments, each on a line of its own:
//
//	<!-- begin:snippet examples/quickstart/main.go#define -->
//	<!-- end -->
//
// The kinds of block are
//
//   - snippet PATH#REGION: the lines of a Go file from `// region REGION` to
//     `// endregion`. Take them from examples, which are compiled and tested.
//   - snippet PATH: a whole file, such as the recorded output of an example.
//   - matrix SUITE: what each rollout or store can do, from the conformance
//     reports of that suite in all testdata folders.
//
// It fails where it can't make a block, and for a link to a file that isn't
// there. A test fails where a page is not what this command makes of it.
package main

import (
	"fmt"
	"os"
)

func main() {
	changed, faults, err := update(".")
	if err != nil {
		faults = append(faults, err.Error())
	}
	for path, page := range changed {
		if err := os.WriteFile(path, []byte(page), 0o666); err != nil {
			faults = append(faults, err.Error())
		}
		fmt.Println("rewrote", path)
	}
	for _, f := range faults {
		fmt.Fprintln(os.Stderr, f)
	}
	if len(faults) > 0 {
		os.Exit(1)
	}
}
