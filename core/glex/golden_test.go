package glex

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/stretchr/testify/require"
)

// The files in testdata were recorded from the gem 0.7.1. Each says in its
// notes how.

const goldenSecret = "s3cret"

func readGolden(t *testing.T, name string, into any) {
	t.Helper()
	raw, err := os.ReadFile("testdata/" + name)
	require.NoError(t, err)
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	require.NoError(t, d.Decode(into))
}

type keyVector struct {
	N        int
	Secret   *string
	Prefix   *string
	Name     *string
	Class    *string
	Bits     int
	Context  [][]any
	StickyTo []any `json:"sticky_to"`
	Steps    [][][]any
	FullName string `json:"full_name"`
	Hashed   any
	Key      string
	Error    []string
	Note     string
}

// fullName returns what the gem makes of the vector's name and class.
func (v *keyVector) fullName() (string, error) {
	name := ""
	if v.Name != nil {
		name = strings.TrimPrefix(*v.Name, ":")
	}
	if name == "" && v.Class != nil {
		name = *v.Class
	}
	if v.Prefix == nil {
		return FullName(name)
	}
	return FullName(name, *v.Prefix)
}

// context returns the vector's context after its later calls. contained says
// that a value is a container, which package glex refuses.
func (v *keyVector) context(t *testing.T) (c Context, contained bool) {
	t.Helper()
	if v.StickyTo != nil {
		c.StickyTo, contained = sticky(t, v.StickyTo)
	}
	for _, step := range append([][][]any{v.Context}, v.Steps...) {
		var attrs []core.Attr
		for _, pair := range step {
			name, value, class := pair[0].(string), pair[1], pair[2].(string)
			if name == "sticky_to" {
				c.StickyTo, contained = sticky(t, []any{value, class})
				continue
			}
			a, ok := attr(t, name, value, class, pair[3])
			contained = contained || !ok
			attrs = append(attrs, a)
		}
		c.Attrs = merged(c.Attrs, attrs)
	}
	return c, contained
}

// sticky returns what sticky_to stands for.
func sticky(t *testing.T, pair []any) (attrs []core.Attr, contained bool) {
	t.Helper()
	value, class := pair[0], pair[1].(string)
	texts := []string{}
	add := func(value any, class string) {
		a, ok := attr(t, "element", value, class, value)
		contained = contained || !ok
		texts = append(texts, Text(a))
	}
	switch {
	case class == "NilClass":
		return nil, false
	case class == "String":
		return Verbatim(value.(string)), false
	case isHash(class):
		attrs = []core.Attr{}
		for _, entry := range value.([]any) {
			pair := entry.([]any)
			key, of := pair[0].([]any), pair[1].([]any)
			a, ok := attr(t, key[0].(string), of[0], of[1].(string), of[0])
			contained = contained || !ok
			attrs = append(attrs, a)
		}
		return attrs, contained
	case class == "Array" || strings.HasPrefix(class, "Struct"):
		for _, e := range value.([]any) {
			add(e.([]any)[0], e.([]any)[1].(string))
		}
	case class == "Time": // which Ruby takes apart
		at := parseTime(t, value)
		for _, part := range []int{at.Second(), at.Minute(), at.Hour(), at.Day(), int(at.Month()), at.Year(), int(at.Weekday()), at.YearDay()} {
			texts = append(texts, fmt.Sprint(part))
		}
		texts = append(texts, "false", "UTC")
	default:
		add(value, class)
	}
	return Elements(texts...), contained
}

func isHash(class string) bool {
	return class == "Hash" || class == "ActiveSupport::HashWithIndifferentAccess"
}

// attr returns the attribute of a recorded value by way of the function that is
// meant for its class. Classes without one are given as Ruby's text. ok is
// false for containers.
func attr(t *testing.T, name string, value any, class string, text any) (a core.Attr, ok bool) {
	t.Helper()
	var err error
	switch class, _, _ := strings.Cut(class, "("); class {
	case "String":
		return core.String(name, rawText(t, value)), true
	case "Symbol":
		return Symbol(name, value.(string)), true
	case "NilClass":
		return Nil(name), true
	case "TrueClass", "FalseClass":
		return core.Bool(name, value.(bool)), true
	case "Integer":
		n, good := new(big.Int).SetString(fmt.Sprint(value), 10)
		require.True(t, good, "%v", value)
		if n.IsInt64() {
			require.Equal(t, Text(BigInt(name, n)), Text(core.Int(name, n.Int64())))
			return core.Int(name, n.Int64()), true
		}
		return BigInt(name, n), true
	case "Float":
		return Float(name, rubyFloat(t, value)), true
	case "Date":
		at, err := time.Parse(time.DateOnly, strings.TrimPrefix(value.(string), "-"))
		require.NoError(t, err)
		year := at.Year()
		if strings.HasPrefix(value.(string), "-") {
			year = -year
		}
		return Date(name, year, at.Month(), at.Day()), true
	case "Time":
		return Time(name, parseTime(t, value)), true
	case "DateTime":
		return DateTime(name, parseTime(t, value)), true
	case "ActiveSupport::TimeWithZone":
		return TimeWithZone(name, parseTime(t, value).In(zoneOf(t, value, text))), true
	case "BigDecimal":
		a, err = Decimal(name, value.(string))
		require.NoError(t, err)
		return a, true
	case "Rational":
		r, good := new(big.Rat).SetString(strings.Trim(value.(string), "()"))
		require.True(t, good)
		return Rational(name, r), true
	case "GlobalID":
		gid := strings.Split(strings.TrimPrefix(value.(string), "gid://"), "/")
		return GlobalID(name, gid[0], gid[1], gid[2]), true
	case "Array", "Hash", "ActiveSupport::HashWithIndifferentAccess":
		_, err := Any(name, value)
		require.ErrorContains(t, err, "container")
		return core.Attr{}, false
	}
	return core.String(name, rawText(t, text)), true
}

// rawText returns a recorded text, which is hex where it is no UTF-8.
func rawText(t *testing.T, value any) string {
	t.Helper()
	if m, ok := value.(map[string]any); ok {
		raw, err := hex.DecodeString(m["hex"].(string))
		require.NoError(t, err)
		return string(raw)
	}
	return value.(string)
}

func rubyFloat(t *testing.T, value any) float64 {
	t.Helper()
	switch value {
	case "NaN":
		return math.NaN()
	case "Infinity":
		return math.Inf(1)
	case "-Infinity":
		return math.Inf(-1)
	case "-0.0":
		return math.Copysign(0, -1)
	}
	f, err := value.(json.Number).Float64()
	require.NoError(t, err)
	return f
}

func parseTime(t *testing.T, value any) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, value.(string))
	require.NoError(t, err)
	return at
}

// zoneOf returns a zone in which at has the offset that text ends with.
func zoneOf(t *testing.T, at, text any) *time.Location {
	t.Helper()
	s := text.(string)
	offset := s[strings.LastIndex(s, " ")+1:]
	if offset == "UTC" {
		return time.FixedZone("UTC", 0)
	}
	zone, err := time.Parse("-0700", offset)
	require.NoError(t, err)
	_, seconds := zone.Zone()
	return time.FixedZone("", seconds)
}

func TestContextKeysAreTheGems(t *testing.T) {
	var golden struct{ Vectors []keyVector }
	readGolden(t, "context_keys_public.json", &golden)
	require.NotEmpty(t, golden.Vectors)

	var keys, refused int
	for _, v := range golden.Vectors {
		t.Run(fmt.Sprint(v.N), func(t *testing.T) {
			full, err := v.fullName()
			if v.Error != nil && v.Error[0] == "ArgumentError" {
				require.Error(t, err)
				keys++
				return
			}
			require.NoError(t, err)
			require.Equal(t, v.FullName, full)

			c, contained := v.context(t)
			if contained {
				refused++ // and attr has seen the refusal
				return
			}
			secret := []byte(nil)
			if v.Secret != nil {
				secret = []byte(*v.Secret)
			}
			key, _, err := c.Keys(Scheme{Bits: v.Bits}, secret, full)
			require.NoError(t, err)
			keys++
			if v.Error != nil {
				// Ruby can't join a binary string with one in UTF-8; strings in
				// Go have no encoding, and are joined.
				require.Equal(t, "Encoding::CompatibilityError", v.Error[0])
				return
			}
			require.Equal(t, v.Key, key)
			if v.Hashed != nil && c.StickyTo == nil {
				if hashed, ok := v.Hashed.(string); ok {
					attrs, _ := c.resolved()
					require.Equal(t, hashed, string(appendSource(nil, secret, full, attrs, pairs)))
				}
			}
		})
	}
	t.Logf("%d keys, %d containers refused", keys, refused)
	require.Equal(t, len(golden.Vectors), keys+refused)
	require.NotZero(t, refused)
}
