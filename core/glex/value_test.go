package glex_test

import (
	"encoding/hex"
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/glex"
)

func TestFloatsAreWrittenAsInRuby(t *testing.T) {
	for want, v := range map[string]float64{
		"0.0": 0, "-0.0": math.Copysign(0, -1), "NaN": math.NaN(), "Infinity": math.Inf(1), "-Infinity": math.Inf(-1),
		"1.0": 1, "-1.5": -1.5, "100.0": 100, "0.1": 0.1, "0.30000000000000004": 0.30000000000000004,
		"0.0001": 1e-4, "0.00012345": 1.2345e-4, "9.999e-05": 9.999e-5, "1.0e-05": 1e-5, "1.0e-10": 1e-10, "1.5e-100": 1.5e-100,
		"100000000000000.0": 1e14, "999999999999999.9": 999999999999999.9, "123456789012345.6": 123456789012345.6,
		"1.0e+15": 1e15, "1.234567890123456e+15": 1234567890123456, "1234567890123456.8": 1234567890123456.8,
		"9.007199254740992e+15": 1 << 53, "1.0e+16": 1e16, "1.2345678901234568e+16": 12345678901234568, "1.0e+100": 1e100,
		"1.7976931348623157e+308": math.MaxFloat64, "5.0e-324": math.SmallestNonzeroFloat64,
	} {
		t.Run(want, func(t *testing.T) { require.Equal(t, want, glex.Text(glex.Float("v", v))) })
	}
	require.Equal(t, "0.0", glex.Text(core.Float("v", math.Copysign(0, -1))), "the core has no -0.0, which is what Float is for")
}

var rubyFloat = regexp.MustCompile(`^-?(\d{1,16}\.\d{1,20}|\d\.\d{1,16}e[+-]\d{2,3}|Infinity)$|^NaN$`)

// FuzzFloat reads back what was written and looks at its form.
func FuzzFloat(f *testing.F) {
	for _, v := range []float64{1e15, 1e16, math.NaN(), -1e-5} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, v float64) {
		text := glex.Text(glex.Float("f", v))
		require.Regexp(t, rubyFloat, text)
		back, err := strconv.ParseFloat(strings.Replace(text, "Infinity", "Inf", 1), 64)
		require.NoError(t, err)
		require.True(t, math.Float64bits(back) == math.Float64bits(v) || v != v && back != back, "%v: %s", v, text)
		if a := math.Abs(v); a >= 1e-4 && a < 1e15 {
			require.NotContains(t, text, "e")
		} else if (a >= 1e16 || a < 1e-4) && a > 0 && !math.IsInf(v, 0) {
			require.Contains(t, text, "e")
		}
	})
}

// rubyValues are values as Ruby makes them, see testdata/gem.rb, what the gem
// hashes of them, and the attributes that stand for them.
func rubyValues(t *testing.T) []rubyValue {
	huge, _ := new(big.Int).SetString("-1000000000000000000000000000000", 10)
	decimal := func(text string) core.Attr {
		a, err := glex.Decimal("v", text)
		require.NoError(t, err)
		return a
	}
	at := time.Date(2020, 1, 2, 3, 4, 5, 999, time.UTC)
	unix := at.Unix()
	in := func(seconds int) time.Time { return at.In(time.FixedZone("", seconds)) }
	return []rubyValue{
		{"", []any{"nil"}, glex.Nil("v")},
		{"dark mode", []any{"Symbol", hexOf("dark mode")}, glex.Symbol("v", "dark mode")},
		{"true", []any{"true"}, core.Bool("v", true)},
		{"-7", []any{"Integer", "-7"}, core.Int("v", -7)},
		{"18446744073709551615", []any{"Integer", "18446744073709551615"}, core.Int("v", uint64(math.MaxUint64))},
		{"-1000000000000000000000000000000", []any{"Integer", huge.String()}, glex.BigInt("v", huge)},
		{"", []any{"nil"}, glex.BigInt("v", nil)},
		{"1/2", []any{"Rational", "2", "4"}, glex.Rational("v", big.NewRat(2, 4))},
		{"2/1", []any{"Rational", "2", "1"}, glex.Rational("v", big.NewRat(2, 1))},
		{"", []any{"nil"}, glex.Rational("v", nil)},
		{"gid://shop/Admin::User/a+b%2F1", []any{"Record", "Admin::User", "a b/1"}, glex.GlobalID("v", "shop", "Admin::User", "a b/1")},
		{"2020-01-02", []any{"Date", 2020, 1, 2}, glex.Date("v", 2020, 1, 2)},
		{"-0001-01-02", []any{"Date", -1, 1, 2}, glex.Date("v", -1, 1, 2)},
		{"12345-01-02", []any{"Date", 12345, 1, 2}, glex.Date("v", 12345, 1, 2)},
		{"2020-01-02 03:04:05 UTC", []any{"UTC", unix}, glex.Time("v", at)},
		{"2020-01-02 03:04:05 +0000", []any{"Time", unix, 0}, glex.Time("v", in(0))},
		{"2020-01-02 08:49:05 +0545", []any{"Time", unix, 20700}, glex.Time("v", in(20700))},
		{"2020-01-01 22:08:03 -0456", []any{"Time", unix, -17762}, glex.Time("v", in(-17762))},
		{"2020-01-02 03:04:03 -0000", []any{"Time", unix, -2}, glex.Time("v", in(-2))},
		{"2020-01-02 03:04:05 UTC", []any{"TimeWithZone", unix, "UTC"}, glex.TimeWithZone("v", at)},
		{"2020-01-02 03:04:05 +0000", []any{"TimeWithZone", unix, "Europe/London"}, glex.TimeWithZone("v", in(0))},
		{"2020-01-01 22:04:05 -0500", []any{"TimeWithZone", unix, "America/New_York"}, glex.TimeWithZone("v", in(-18000))},
		{"2020-01-02T03:04:05+00:00", []any{"DateTime", unix, 0}, glex.DateTime("v", at)},
		{"2020-01-01T22:04:05-05:00", []any{"DateTime", unix, -18000}, glex.DateTime("v", in(-18000))},
		{"1.1", []any{"BigDecimal", "1.10"}, decimal("1.10")},
		{"100.0", []any{"BigDecimal", "100"}, decimal("100")},
		{"-0.0", []any{"BigDecimal", "-0"}, decimal("-0")},
		{"0.5", []any{"BigDecimal", ".5"}, decimal(".5")},
		{"12.0", []any{"BigDecimal", "+00012"}, decimal("+00012")},
		{"0.0000000001", []any{"BigDecimal", "1e-10"}, decimal("1e-10")},
		{"120000.0", []any{"BigDecimal", "1.2E5"}, decimal("1.2E5")},
		{"NaN", []any{"BigDecimal", "NaN"}, decimal("NaN")},
		{"-Infinity", []any{"BigDecimal", "-Infinity"}, decimal("-Infinity")},
	}
}

type rubyValue struct {
	text string
	ruby []any
	attr core.Attr
}

func hexOf(s string) string { return hex.EncodeToString([]byte(s)) }

func TestValuesAreWrittenAsInRuby(t *testing.T) {
	for _, v := range rubyValues(t) {
		t.Run(v.text, func(t *testing.T) {
			require.Equal(t, v.text, glex.Text(v.attr))
			require.Equal(t, "v", v.attr.Name)
		})
	}
}

func TestDecimalRefusesWhatIsNone(t *testing.T) {
	for _, text := range []string{"", "-", "5.", "1_000", "1e", "1e5000", "0x1", "1.2.3", "--1", "infinity", "١", strings.Repeat("1", 5000)} {
		_, err := glex.Decimal("v", text)
		require.ErrorContains(t, err, "decimal number", text)
	}
}

type stringer struct{}

func (stringer) String() string { return "s" }

func TestAnyTakesWhatRubyWritesInOneWay(t *testing.T) {
	type id string
	for want, v := range map[string]any{
		"": nil, "text": id("text"), "true": true, "-5": int8(-5), "18446744073709551615": uint64(math.MaxUint64),
		"1.0e+20": 1e20, "-0.0": math.Copysign(0, -1), "7": big.NewInt(7), "7/2": big.NewRat(7, 2),
	} {
		t.Run(want, func(t *testing.T) {
			a, err := glex.Any("v", v)
			require.NoError(t, err)
			require.Equal(t, want, glex.Text(a))
		})
	}
	var none *int
	for why, v := range map[string]any{
		"container": []any{1}, "gem would hash what Ruby's inspect writes": map[string]int{"a": 1}, "a [2]int": [2]int{},
		"a struct {}": struct{}{}, "32-bit floats": float32(1), "with Time, DateTime, TimeWithZone or Date": time.Now(),
		"a *int can't": none, "a func() can't": func() {}, "a complex128": 1i, "a glex_test.stringer": stringer{},
	} {
		t.Run(why, func(t *testing.T) {
			_, err := glex.Any("tags", v)
			require.ErrorContains(t, err, `attribute "tags"`)
			require.ErrorContains(t, err, why)
		})
	}
}
