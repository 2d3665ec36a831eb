package glex

import (
	"encoding/hex"
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/stretchr/testify/require"
)

func TestFloatsAsRubyWritesThem(t *testing.T) {
	for want, v := range map[string]float64{
		"0.0": 0, "-0.0": math.Copysign(0, -1), "NaN": math.NaN(), "Infinity": math.Inf(1), "-Infinity": math.Inf(-1),
		"1.0": 1, "-1.5": -1.5, "100.0": 100, "0.1": 0.1, "0.30000000000000004": 0.30000000000000004,
		"0.0001": 1e-4, "0.00012345": 1.2345e-4, "9.999e-05": 9.999e-5, "1.0e-05": 1e-5, "1.0e-10": 1e-10, "1.5e-100": 1.5e-100,
		"100000000000000.0": 1e14, "999999999999999.9": 999999999999999.9, "123456789012345.6": 123456789012345.6,
		"1.0e+15": 1e15, "1.234567890123456e+15": 1234567890123456, "1234567890123456.8": 1234567890123456.8,
		"9.007199254740992e+15": 1 << 53, "1.0e+16": 1e16, "1.2345678901234568e+16": 12345678901234568, "1.0e+100": 1e100,
		"1.7976931348623157e+308": math.MaxFloat64, "5.0e-324": math.SmallestNonzeroFloat64,
	} {
		require.Equal(t, want, Text(Float("v", v)))
	}
	require.Equal(t, "0.0", Text(core.Float("v", math.Copysign(0, -1))), "the core has no -0.0, which is what Float is for")
}

func TestValuesAsRubyWritesThem(t *testing.T) {
	huge, _ := new(big.Int).SetString("-1000000000000000000000000000000", 10)
	decimal := func(text string) core.Attr {
		a, err := Decimal("v", text)
		require.NoError(t, err)
		return a
	}
	at := time.Date(2020, 1, 2, 3, 4, 5, 999, time.UTC)
	in := func(seconds int) time.Time { return at.In(time.FixedZone("", seconds)) }
	for _, c := range []struct {
		want string
		attr core.Attr
	}{
		{"", Nil("v")}, {"dark mode", Symbol("v", "dark mode")}, {"true", core.Bool("v", true)}, {"-7", core.Int("v", -7)}, {"18446744073709551615", core.Int("v", uint64(math.MaxUint64))},
		{"-1000000000000000000000000000000", BigInt("v", huge)}, {"", BigInt("v", nil)},
		{"1/2", Rational("v", big.NewRat(2, 4))}, {"2/1", Rational("v", big.NewRat(2, 1))}, {"", Rational("v", nil)},
		{"gid://shop/Admin::User/a+b%2F1", GlobalID("v", "shop", "Admin::User", "a b/1")},
		{"2020-01-02", Date("v", 2020, 1, 2)}, {"-0001-01-02", Date("v", -1, 1, 2)}, {"12345-01-02", Date("v", 12345, 1, 2)},
		{"2020-01-02 03:04:05 UTC", Time("v", at)}, {"2020-01-02 03:04:05 +0000", Time("v", in(0))},
		{"2020-01-02 08:49:05 +0545", Time("v", in(20700))}, {"2020-01-01 22:08:03 -0456", Time("v", in(-17762))},
		{"2020-01-02 03:04:03 -0000", Time("v", in(-2))},
		{"2020-01-02 03:04:05 UTC", TimeWithZone("v", at)}, {"2020-01-02 03:04:05 +0000", TimeWithZone("v", in(0))},
		{"2020-01-02T03:04:05+00:00", DateTime("v", at)}, {"2020-01-01T22:04:05-05:00", DateTime("v", in(-18000))},
		{"1.1", decimal("1.10")}, {"100.0", decimal("100")}, {"-0.0", decimal("-0")}, {"0.5", decimal(".5")}, {"12.0", decimal("+00012")},
		{"0.0000000001", decimal("1e-10")}, {"120000.0", decimal("1.2E5")}, {"NaN", decimal("NaN")}, {"-Infinity", decimal("-Infinity")},
	} {
		require.Equal(t, c.want, Text(c.attr))
		require.Equal(t, "v", c.attr.Name)
	}
	for _, text := range []string{"", "-", "5.", "1_000", "1e", "1e5000", "0x1", "1.2.3", "--1", "infinity", "١", strings.Repeat("1", 5000)} {
		_, err := Decimal("v", text)
		require.ErrorContains(t, err, "decimal number", text)
	}
}

type stringer struct{}

func (stringer) String() string { return "s" }

func TestAny(t *testing.T) {
	type id string
	for want, v := range map[string]any{
		"": nil, "text": id("text"), "true": true, "-5": int8(-5), "18446744073709551615": uint64(math.MaxUint64),
		"1.0e+20": 1e20, "-0.0": math.Copysign(0, -1), "7": big.NewInt(7), "7/2": big.NewRat(7, 2),
	} {
		a, err := Any("v", v)
		require.NoError(t, err)
		require.Equal(t, want, Text(a))
	}
	var none *int
	for why, v := range map[string]any{
		"container": []any{1}, "gem would hash what Ruby's inspect writes": map[string]int{"a": 1}, "a [2]int": [2]int{},
		"a struct {}": struct{}{}, "32-bit floats": float32(1), "with Time, DateTime, TimeWithZone or Date": time.Now(),
		"a *int can't": none, "a func() can't": func() {}, "a complex128": 1i, "a glex.stringer": stringer{},
	} {
		_, err := Any("tags", v)
		require.ErrorContains(t, err, `attribute "tags"`)
		require.ErrorContains(t, err, why)
	}
}

func TestKeyFaults(t *testing.T) {
	_, err := Scheme{Bits: 128}.Key(nil, "shop_pill_color", nil)
	require.EqualError(t, err, "glex: experiment shop_pill_color: a key of 128 bits; the gem makes keys of 256, 384 and 512")
	for _, attrs := range [][]core.Attr{
		append(Elements("a"), core.String("actor", "1")),
		append([]core.Attr{core.String("actor", "1")}, Elements("a")...),
		append(Verbatim("a"), core.String("actor", "1")),
		append([]core.Attr{core.String("actor", "1")}, Verbatim("a")...),
		append(Verbatim("a"), Verbatim("b")...),
		append(Verbatim("a"), Elements("b")...),
	} {
		_, err := Scheme{}.Key(nil, "shop_pill_color", attrs)
		require.ErrorContains(t, err, "experiment shop_pill_color: attributes of Elements or Verbatim stand beside others")
	}
}

func TestKeyAllocatesItsResultOnly(t *testing.T) {
	secret, attrs := []byte(goldenSecret), []core.Attr{core.String("actor", "user:1"), core.Float("v", 1.5), core.Int("n", -3)}
	for _, bits := range []int{0, 384, 512} {
		require.Equal(t, 1.0, testing.AllocsPerRun(100, func() { _, _ = Scheme{Bits: bits}.Key(secret, "gitlab_pill_color", attrs) }))
	}
}

var rubyFloats = regexp.MustCompile(`^-?(\d{1,16}\.\d{1,19}|\d\.\d{1,16}e[+-]\d{2,3}|Infinity)$|^NaN$`)

// FuzzKey holds the texts and the key of a context against plain rules.
func FuzzKey(f *testing.F) {
	f.Add([]byte("s3cret"), "gitlab_pill_color", "actor", "user:1", uint64(0x430c6bf526340000), int64(-1))
	f.Add([]byte(nil), "", "", "|", math.Float64bits(1e16), int64(math.MinInt64))
	f.Add([]byte("ключ|x"), "é", "a|b", "\xff\x00", math.Float64bits(math.NaN()), int64(0))
	f.Fuzz(func(t *testing.T, secret []byte, experiment, name, text string, bits uint64, n int64) {
		v := math.Float64frombits(bits)
		float := Text(Float("f", v))
		require.Regexp(t, rubyFloats, float)
		back, err := strconv.ParseFloat(strings.Replace(float, "Infinity", "Inf", 1), 64)
		require.NoError(t, err)
		require.True(t, math.Float64bits(back) == bits || v != v && back != back, "%v: %s", v, float)
		if a := math.Abs(v); a >= 1e-4 && a < 1e15 {
			require.NotContains(t, float, "e")
		} else if (a >= 1e16 || a < 1e-4) && a > 0 && !math.IsInf(v, 0) {
			require.Contains(t, float, "e")
		}

		attrs := []core.Attr{core.String(name, text), Float("f", v), core.Int("n", n), Nil("none")}
		plain := strings.Join([]string{string(secret), experiment, name, "f", "n", "none", text, float, strconv.FormatInt(n, 10), ""}, "|")
		key, err := Scheme{}.Key(secret, experiment, attrs)
		if strings.HasPrefix(name, marker) {
			return
		}
		require.NoError(t, err)
		require.Equal(t, plain, string(appendSource(nil, secret, experiment, attrs, pairs)))
		require.Len(t, key, 64)
		_, err = hex.DecodeString(key)
		require.NoError(t, err)
	})
}
