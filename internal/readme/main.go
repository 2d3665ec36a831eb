// Command readme keeps README.md and the other pages true. It rewrites what
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
// With -check it changes nothing and fails where it would. It also fails for a
// link to a file that isn't there.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	check := flag.Bool("check", false, "change nothing, fail where a page is out of date")
	flag.Parse()
	problems, err := run(".", *check)
	for _, p := range problems {
		fmt.Fprintln(os.Stderr, p)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	if err != nil || len(problems) > 0 {
		os.Exit(1)
	}
}

// run rewrites all pages below root, unless it only checks them, and returns
// what is wrong with them.
func run(root string, check bool) (problems []string, err error) {
	paths, err := find(root, isPage)
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		old, err := os.ReadFile(path)
		if err != nil {
			return problems, err
		}
		page, faults := render(root, string(old))
		for _, f := range append(faults, brokenLinks(path, page)...) {
			problems = append(problems, fmt.Sprintf("%s: %s", path, f))
		}
		switch {
		case len(faults) > 0 || page == string(old):
		case check:
			problems = append(problems, fmt.Sprintf("%s is out of date: run go run ./internal/readme", path))
		default:
			if err := os.WriteFile(path, []byte(page), 0o666); err != nil {
				return problems, err
			}
			fmt.Println("rewrote", path)
		}
	}
	return problems, nil
}
