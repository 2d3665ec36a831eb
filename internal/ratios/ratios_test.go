package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const measured = `goos: linux
pkg: github.com/rolloutkit/rolloutkit/core
cpu: something
BenchmarkKey-2         	 1000	       100.0 ns/op	      64 B/op	       1 allocs/op
BenchmarkAssign/percent-2 	 1000	       150.0 ns/op	      64 B/op	       1 allocs/op
PASS
pkg: github.com/rolloutkit/rolloutkit/providers/x
BenchmarkResolve-2 	 1000	       500.0 ns/op	 12.00 keys/s	       0 B/op	       0 allocs/op
pkg: github.com/rolloutkit/rolloutkit/core
BenchmarkKey-2         	 1000	       200.0 ns/op	      64 B/op	       1 allocs/op
BenchmarkAssign/percent-2 	 1000	       280.0 ns/op	      66 B/op	       1 allocs/op
PASS
`

func TestRun(t *testing.T) {
	root := t.TempDir()
	write := func(pkg, goals string) {
		dir := filepath.Join(root, pkg, "testdata")
		require.NoError(t, os.MkdirAll(dir, 0o777))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "ratios.txt"), []byte(goals), 0o666))
	}
	write("core", "# a comment\nAssign/percent / Key <= 1.5\n")
	write("providers/x", "Resolve / core.Key <= 2\nResolve / Bare <= 1.15\n")

	var out strings.Builder
	missed, err := run(root, strings.NewReader(measured), &out)
	require.NoError(t, err)
	require.True(t, missed)
	require.Equal(t, `  ns/op  B/op  allocs/op  rounds  benchmark
  215.0    65          1       2  core.Assign/percent
  150.0    64          1       2  core.Key
  500.0     0          0       1  providers/x.Resolve

  ratio  least  most  goal           of
   1.45   1.40  1.50  1.50      met  core.Assign/percent / core.Key
   5.00   5.00  5.00  2.00   MISSED  providers/x.Resolve / core.Key
      -      -     -  1.15  NOT RUN  providers/x.Resolve / providers/x.Bare
`, out.String())

	_, err = run(root, strings.NewReader("PASS\n"), &out)
	require.ErrorContains(t, err, "no benchmark was run")
	write("core", "Assign is fast\n")
	_, err = run(root, strings.NewReader(measured), &out)
	require.ErrorContains(t, err, `"Assign is fast" is no goal`)
}
