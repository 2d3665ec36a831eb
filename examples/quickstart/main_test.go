package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
)

// golden compares with a file in testdata, which ROLLOUTKIT_UPDATE=1 rewrites.
func golden(t *testing.T, file, got string) {
	t.Helper()
	file = filepath.Join("testdata", file)
	if os.Getenv("ROLLOUTKIT_UPDATE") == "1" {
		require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
	for _, line := range strings.Split(got, "\n") {
		require.LessOrEqual(t, utf8.RuneCountInString(line), 80, line)
		require.Equal(t, strings.TrimRight(line, " "), line)
	}
	require.NotContains(t, got, "\x1b", "a colour code")
}

// start runs the program and wants an exit code.
func start(t *testing.T, code int, stdin io.Reader, args ...string) (stdout, stderr string) {
	t.Helper()
	var out, failed strings.Builder
	require.Equal(t, code, run(args, stdin, &out, &failed), failed.String())
	return out.String(), failed.String()
}

func TestBundledVisitors(t *testing.T) {
	stdout, stderr := start(t, 0, nil)
	golden(t, "bundled.txt", stdout)
	require.Empty(t, stderr)
}

func TestBundledVisitorsAreWhatTheGeneratorWrites(t *testing.T) {
	out, err := exec.Command("go", "run", "./generate").Output()
	require.NoError(t, err)
	require.Equal(t, string(bundled), string(out), "run go generate")
	require.Equal(t, 10_000, strings.Count(string(bundled), "\n"))
}

func TestOwnVisitors(t *testing.T) {
	file := filepath.Join("testdata", "own.jsonl")
	stdout, stderr := start(t, 0, nil, "-visitors", file)
	golden(t, "own.txt", stdout)
	golden(t, "own.stderr.txt", stderr)

	f, err := os.Open(file)
	require.NoError(t, err)
	defer func() { _ = f.Close() }()
	piped, _ := start(t, 0, f, "-visitors", "-")
	require.Equal(t, strings.Replace(stdout, "from "+file, "from stdin", 1), piped)
}

func TestManyBadLinesAreCounted(t *testing.T) {
	stdout, stderr := start(t, 0, strings.NewReader(strings.Repeat("bad\n", 1510)+`{"id":"ada"}`), "-visitors", "-")
	require.Contains(t, stdout, "1 visits by 1 visitors, from stdin; 1,510 bad lines skipped")
	require.Equal(t, 11, strings.Count(stderr, "\n"))
	require.Contains(t, stderr, "line 10 skipped: invalid character 'b'")
	require.Contains(t, stderr, "1,500 more lines skipped")
}

func TestWhatGoesWrongIsOneSentence(t *testing.T) {
	_, stderr := start(t, 1, nil, "-visitors", "nowhere.jsonl")
	require.Equal(t, "quickstart: can't read the visitors: open nowhere.jsonl: no such file or directory\n", stderr)
	_, stderr = start(t, 1, nil, "-visitors", "testdata")
	require.Contains(t, stderr, "quickstart: can't read the visitors: read testdata: ")
	require.Equal(t, 1, strings.Count(stderr, "\n"))
	_, stderr = start(t, 1, strings.NewReader("\n\n"), "-visitors", "-")
	require.Equal(t, "quickstart: no visitors from stdin\n", stderr)
	_, stderr = start(t, 1, io.MultiReader(strings.NewReader(`{"id":"ada"}`), iotest.ErrReader(errors.New("torn"))), "-visitors", "-")
	require.Equal(t, "quickstart: can't read the visitors: torn\n", stderr)
	_, stderr = start(t, 2, nil, "visitors.jsonl")
	require.Equal(t, "quickstart: unexpected argument \"visitors.jsonl\"\n", stderr)
	_, stderr = start(t, 2, nil, "-nonsense")
	require.Contains(t, stderr, "-nonsense")
	_, stderr = start(t, 0, nil, "-help")
	require.Contains(t, stderr, "-visitors FILE")
}

func TestAFullDiskIsAnError(t *testing.T) {
	var stderr strings.Builder
	require.Equal(t, 1, run(nil, nil, full{}, &stderr))
	require.Equal(t, "quickstart: no space left\n", stderr.String())
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestAVisitorTooLargeIsServedControl(t *testing.T) {
	stdout, _ := start(t, 0, strings.NewReader(`{"id":"`+strings.Repeat("x", 100_000)+`"}`), "-visitors", "-")
	require.Contains(t, stdout, "   failed            1   see grey and are not tracked\n")
	require.Contains(t, stdout, "   events            0 ")
	require.Contains(t, stdout, "too few units to test the split")
}

// The shop itself never shows this.
func TestMovesThatShouldNotBeAreTold(t *testing.T) {
	before, after := round{units: map[id]core.Assignment{}}, round{units: map[id]core.Assignment{}}
	add := func(origin core.Source, was, is string) {
		unit := id(fmt.Sprint(len(before.units)))
		before.units[unit] = core.Assignment{Variant: was, Origin: origin}
		after.units[unit] = core.Assignment{Variant: is, Origin: origin}
	}
	add(core.SourceResolved, "control", "red")
	add(core.SourceResolved, "red", "blue")
	add(core.SourceExcluded, "control", "red")
	add(core.SourceSegmented, "blue", "red")
	add(core.SourceSegmented, "blue", "blue")
	var out strings.Builder
	(&printer{out: &out}).moves(before, after)
	require.Contains(t, out.String(), "4 units moved, and 3 of them were NOT resolved to control.")
}

func TestASplitThatIsWrongIsTold(t *testing.T) {
	r := round{units: map[id]core.Assignment{}}
	for i := range 1000 {
		r.units[id(fmt.Sprint(i))] = core.Assignment{Variant: variants[i%4], Origin: core.SourceResolved}
	}
	var out strings.Builder
	(&printer{out: &out}).split(r, atFirst)
	golden(t, "wrong.txt", out.String())
}

func TestChanceIsNotSuspected(t *testing.T) {
	r := round{units: map[id]core.Assignment{}}
	for name, n := range map[string]int{"control": 450, "red": 90, "blue": 190, "green": 270} {
		for i := range n {
			r.units[id(fmt.Sprint(name, i))] = core.Assignment{Variant: name, Origin: core.SourceResolved}
		}
	}
	var out strings.Builder
	(&printer{out: &out}).split(r, atFirst)
	require.Contains(t, out.String(), "p = 0.013 (χ² = 10.75, 3 degrees): as intended")
}

func TestBar(t *testing.T) {
	blocks := strings.Repeat("█", width)
	runes := func(n int) string { return blocks[:n*len("█")] }
	require.Equal(t, "|", bar(0, 0))
	require.Equal(t, strings.Repeat(" ", width)+"|", bar(0, 1))
	require.Equal(t, blocks+"|", bar(1, 1))
	require.Equal(t, runes(17)+"|"+runes(16), bar(1, 0.5))
	require.Equal(t, runes(17)+strings.Repeat(" ", 17)+"|", bar(0.5, 1))
}
