package core_test

import (
	"bytes"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
)

// parsed makes attributes of fuzzed bytes: a kind, the lengths of a name and a
// value, and those. Names that come twice are dropped, as a unit may not have
// them.
func parsed(b []byte) []core.Attr {
	var attrs []core.Attr
	next := func(n int) []byte {
		n = min(n, len(b))
		part := b[:n]
		b = b[n:]
		return part
	}
	for len(b) > 3 && len(attrs) < 100 {
		head := next(3)
		name, value := string(next(int(head[1]%16))), next(int(head[2]%16))
		if slices.ContainsFunc(attrs, func(a core.Attr) bool { return a.Name == name }) {
			continue
		}
		var n uint64
		for _, c := range value {
			n = n<<8 | uint64(c)
		}
		switch head[0] % 4 {
		case 0:
			attrs = append(attrs, core.String(name, string(value)))
		case 1:
			attrs = append(attrs, core.Int(name, int64(n)))
		case 2:
			attrs = append(attrs, core.Bool(name, n%2 == 1))
		default:
			attrs = append(attrs, core.Float(name, math.Float64frombits(n)))
		}
	}
	slices.SortFunc(attrs, func(a, b core.Attr) int { return strings.Compare(a.Name, b.Name) })
	return attrs
}

// FuzzKeyEncoding looks for two units that have the same bytes.
func FuzzKeyEncoding(f *testing.F) {
	f.Add("a", []byte{0, 1, 1, 'x', 'y'}, "a", []byte{0, 1, 2, 'x', 'y', 'z'})
	f.Add("ab", []byte{1, 1, 1, 'x', 1}, "a", []byte{2, 1, 1, 'x', 1})
	f.Add("a", []byte{0, 2, 1, 'x', 'y', 'z', 0, 0, 0}, "a", []byte{0, 1, 2, 'x', 'y', 'z', 0, 0, 0})
	f.Fuzz(func(t *testing.T, name1 string, b1 []byte, name2 string, b2 []byte) {
		attrs1, attrs2 := parsed(b1), parsed(b2)
		bytes1 := core.AppendUnit(nil, name1, core.NewUnit(attrs1...))
		bytes2 := core.AppendUnit(nil, name2, core.NewUnit(attrs2...))
		require.Equal(t, name1 == name2 && slices.Equal(attrs1, attrs2), bytes.Equal(bytes1, bytes2))
		slices.Reverse(attrs1)
		require.Equal(t, bytes1, core.AppendUnit(nil, name1, core.NewUnit(attrs1...)), "order never matters")
	})
}

// FuzzNames holds the name rules against the regular expressions they are
// documented with.
func FuzzNames(f *testing.F) {
	name, variant := regexp.MustCompile(`^[a-z][a-z0-9_./-]{0,99}$`), regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_. -]{0,99}$`)
	for _, s := range []string{"", "a", "shop_pill_color", "1a", "A b.c-d_e", "a\n", "é", strings.Repeat("a", 100), strings.Repeat("a", 101), "a/b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		require.Equal(t, name.MatchString(s), core.LegalName(s))
		require.Equal(t, variant.MatchString(s), core.LegalVariant(s))
	})
}
