// Command ratios reads the output of `go test -bench -benchmem`, of several
// rounds and packages, from standard input. It prints the median of each
// benchmark, and beside them the ratios that the project promises. Those stand
// in the testdata/ratios.txt of packages, one a line:
//
//	Assign/percent / Key <= 1.6
//
// says that BenchmarkAssign/percent takes at most 1.6 times as long as BenchmarkKey
// of the same package; core.Key names one of another, so other names have no
// dot. A line that begins with # is a comment.
//
// A ratio is taken within each round and is the median of those, because a
// machine is faster in one minute than in the next. Missed ones are marked, and
// are an error only with -strict.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
)

func main() {
	strict := flag.Bool("strict", false, "fail where a ratio is missed or was not measured")
	flag.Parse()
	missed, err := run(".", os.Stdin, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if *strict && missed {
		os.Exit(1)
	}
}

// run prints the benchmarks in in, and the goals of all packages below root. It
// reports whether one is missed or was not measured.
func run(root string, in io.Reader, out io.Writer) (missed bool, err error) {
	rounds, err := readBenchmarks(in)
	if err != nil {
		return false, err
	}
	if len(rounds) == 0 {
		return false, fmt.Errorf("no benchmark was run")
	}
	goals, err := findGoals(root)
	if err != nil {
		return false, err
	}
	printMedians(out, rounds)
	return printRatios(out, rounds, goals), nil
}

// findGoals reads the goals of all packages below root.
func findGoals(root string) ([]goal, error) {
	var goals []goal
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && slices.Contains([]string{".git", "node_modules", "out"}, d.Name()) {
			return filepath.SkipDir
		}
		if d.Name() != "ratios.txt" || filepath.Base(filepath.Dir(path)) != "testdata" {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		pkg, err := filepath.Rel(root, filepath.Dir(filepath.Dir(path)))
		if err != nil {
			return err
		}
		found, err := readGoals(filepath.ToSlash(pkg), string(text))
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		goals = append(goals, found...)
		return nil
	})
	return goals, err
}
