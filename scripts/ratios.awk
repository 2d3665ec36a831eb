# ratios.awk BENCHMARKS GOALS... prints the ratios that we promise. A goal is a
# line in the testdata/ratios.txt of a package:
#
#   Assign/percent / Key <= 1.6
#
# BenchmarkAssign/percent takes at most 1.6 times as long as BenchmarkKey, which
# is of the same package; core.Key names one of another. A ratio is taken within
# each round and is the median of those, because a machine is faster in one
# minute than in the next.
BEGIN {
  row = "%7s %7s %7s %7s %8s  %s\n"
  printf row, "ratio", "least", "most", "goal", "", "of"
}

function full(name) { return name ~ /\./ ? name : pkg "." name }

FILENAME == ARGV[1] && $1 == "pkg:" {
  pkg = $2
  sub("^github.com/rolloutkit/rolloutkit/", "", pkg)
}
FILENAME == ARGV[1] && $4 == "ns/op" {
  name = $1
  gsub(/^Benchmark|-[0-9]+$/, "", name) # go test adds the number of processors
  name = pkg "." name
  ns[name, ++rounds[name]] = $3
}
FILENAME == ARGV[1] || /^#/ || NF == 0 { next }

{
  pkg = FILENAME
  gsub(/^\.\/|\/testdata\/ratios.txt$/, "", pkg)
}
NF != 5 || $2 != "/" || $4 != "<=" {
  print FILENAME ": \"" $0 "\" is no goal; one looks like: Assign / Key <= 1.6"
  exit 1
}
{
  a = full($1)
  b = full($3)
  n = rounds[a] < rounds[b] ? rounds[a] : rounds[b]
  for (i = 1; i <= n; i++) { # sorted by insertion
    ratio = ns[a, i] / ns[b, i]
    for (j = i; j > 1 && sorted[j - 1] > ratio; j--) sorted[j] = sorted[j - 1]
    sorted[j] = ratio
  }
  if (n) {
    median = (sorted[int((n + 1) / 2)] + sorted[int(n / 2) + 1]) / 2
    printf row, f(median), f(sorted[1]), f(sorted[n]), $5, (median > $5 ? "MISSED" : "met"), a " / " b
  } else {
    printf row, "-", "-", "-", $5, "NOT RUN", a " / " b
  }
}

function f(x) { return sprintf("%.2f", x) }
