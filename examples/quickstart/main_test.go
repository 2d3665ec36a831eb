package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/internal/golden"
)

// compare wants what a file in testdata has, fit for any terminal.
func compare(t *testing.T, file, got string) {
	t.Helper()
	golden.Compare(t, file, got)
	for line := range strings.SplitSeq(got, "\n") {
		require.LessOrEqual(t, utf8.RuneCountInString(line), 80, line)
		require.Equal(t, strings.TrimRight(line, " "), line)
	}
	require.NotContains(t, got, "\x1b", "a colour code")
}

// start runs the program on a file, or what stdin has.
func start(t *testing.T, file string, stdin io.Reader) (stdout, stderr string) {
	t.Helper()
	var out, told strings.Builder
	require.NoError(t, run(file, stdin, &out, &told))
	return out.String(), told.String()
}

func TestBundledVisitors(t *testing.T) {
	stdout, stderr := start(t, "", nil)
	compare(t, "bundled.txt", stdout)
	require.Empty(t, stderr)
}

func TestOwnVisitors(t *testing.T) {
	file := filepath.Join("testdata", "own.jsonl")
	stdout, stderr := start(t, file, nil)
	compare(t, "own.txt", stdout)
	compare(t, "own.stderr.txt", stderr)

	f, err := os.Open(file)
	require.NoError(t, err)
	defer func() { _ = f.Close() }()
	piped, _ := start(t, "-", f)
	require.Equal(t, strings.Replace(stdout, "from "+file, "from stdin", 1), piped)
}

func TestManyBadLinesAreCounted(t *testing.T) {
	stdout, stderr := start(t, "-", strings.NewReader(strings.Repeat("bad\n", 1510)+`{"id":"ada"}`))
	require.Contains(t, stdout, "1 visits by 1 visitors, from stdin; 1,510 bad lines skipped")
	require.Equal(t, 11, strings.Count(stderr, "\n"))
	require.Contains(t, stderr, "line 10 skipped: invalid character 'b'")
	require.Contains(t, stderr, "1,500 more lines skipped")
}

func TestIDsAreTextOrNumbers(t *testing.T) {
	var bad []string
	got, err := read(strings.NewReader("\r\n"+`{"id":"ada","since":2021,"customer":true,"force":"red","shoe":42}`+"\n"+`{"id":42}`+"\n"+
		`{"id":""}`+"\nnull\n[]\n"+`{"id":true}`), func(line int, why error) { bad = append(bad, fmt.Sprint(line, " ", why)) })
	require.NoError(t, err)
	require.Equal(t, []visitor{{ID: "ada", Since: 2021, Customer: true, Force: "red"}, {ID: "42"}}, got)
	require.Len(t, bad, 4)
	require.Equal(t, []string{`4 has no "id"`, `5 has no "id"`}, bad[:2])
}

func TestWhatGoesWrongIsOneSentence(t *testing.T) {
	for want, c := range map[string]struct {
		file   string
		stdin  io.Reader
		stdout io.Writer
	}{
		"can't read the visitors: open nowhere.jsonl: no such file or directory": {file: "nowhere.jsonl"},
		"can't read the visitors: torn":                                          {file: "-", stdin: iotest.ErrReader(errors.New("torn"))},
		"can't read the visitors: bufio.Scanner: token too long":                 {file: "-", stdin: strings.NewReader(strings.Repeat("x", 1<<20))},
		"no visitors from stdin":                                                 {file: "-", stdin: strings.NewReader("\n\n")},
		"no space left":                                                          {stdout: full{}},
	} {
		t.Run(want, func(t *testing.T) {
			require.EqualError(t, run(c.file, c.stdin, c.stdout, io.Discard), want)
		})
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestAVisitorTooLargeIsServedControl(t *testing.T) {
	stdout, _ := start(t, "-", strings.NewReader(`{"id":"`+strings.Repeat("x", 100_000)+`"}`))
	require.Contains(t, stdout, "   failed            1   see grey and are not tracked\n")
	require.Contains(t, stdout, "   events            0 ")
	require.Contains(t, stdout, "too few units to test the split")
}

// The shop itself never shows this.
func TestMovesThatShouldNotBeAreTold(t *testing.T) {
	before, after := round{units: map[id]core.Assignment{}}, round{units: map[id]core.Assignment{}}
	for unit, c := range map[id]struct {
		origin  core.Source
		was, is string
	}{
		"ramped":   {core.SourceResolved, "control", "red"},
		"changed":  {core.SourceResolved, "red", "blue"},
		"excluded": {core.SourceExcluded, "control", "red"},
		"old":      {core.SourceSegmented, "blue", "red"},
		"stayed":   {core.SourceSegmented, "blue", "blue"},
	} {
		before.units[unit] = core.Assignment{Variant: c.was, Origin: c.origin}
		after.units[unit] = core.Assignment{Variant: c.is, Origin: c.origin}
	}
	var out strings.Builder
	printMoves(&out, before, after)
	require.Contains(t, out.String(), "4 units moved, and 3 of them were NOT resolved to control.")
}

func TestSplitIsTested(t *testing.T) {
	split := func(control, red, blue, green int) string {
		r := round{units: map[id]core.Assignment{}}
		for i, n := range []int{control, red, blue, green} {
			for unit := range n {
				r.units[id(fmt.Sprint(variants[i], unit))] = core.Assignment{Variant: variants[i], Origin: core.SourceResolved}
			}
		}
		var out strings.Builder
		printSplit(&out, r, atFirst)
		return out.String()
	}
	compare(t, "wrong.txt", split(250, 250, 250, 250))
	require.Contains(t, split(450, 90, 190, 270), "p = 0.013 (χ² = 10.75, 3 degrees): as intended", "chance is not suspected")
	require.Contains(t, split(16, 4, 8, 12), "too few units to test the split")
}

// From an independent computation with 50 decimal places.
func TestChance(t *testing.T) {
	for x, want := range map[float64]float64{0: 1, 7.814727903251179: .05, 16.26623619623813: .001, 1000: 1.7994208765314477e-216} {
		require.InEpsilon(t, want, chance(x), 1e-12)
	}
}
