package glex_test

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/glex"
	"github.com/stretchr/testify/require"
)

// A source draws what is asked, from a seed that a failure shows.
type source struct{ *rand.Rand }

func newSource(t *testing.T) source {
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("GLEX_SEED"); s != "" {
		var err error
		seed, err = strconv.ParseUint(s, 10, 64)
		require.NoError(t, err)
	}
	t.Logf("to repeat: GLEX_SEED=%d", seed)
	return source{rand.New(rand.NewPCG(seed, 0))}
}

var letters = []rune("abcxyzABCXYZ0189_-/|.: :#%$'\"\\\n\t\x00éßİΣ日本🚀")

func (s source) text(most int) string {
	var b strings.Builder
	for range s.IntN(most + 1) {
		b.WriteRune(letters[s.IntN(len(letters))])
	}
	return b.String()
}

// float draws from all there are: bit patterns, decimal numbers of every
// length around the limits of Ruby's exponent, and whole numbers.
func (s source) float() float64 {
	switch s.IntN(4) {
	case 0:
		return math.Float64frombits(s.Uint64())
	case 1:
		f, _ := strconv.ParseFloat(fmt.Sprintf("%de%d", s.Int64N(1<<s.IntN(62)), s.IntN(44)-22), 64)
		return f
	case 2:
		return float64(s.Int64N(2e17)) / 4
	}
	return []float64{0, math.Copysign(0, -1), math.NaN(), math.Inf(1), math.Inf(-1), 1e15, 1e16, 1e-4, 1e-5, 0.1,
		math.MaxFloat64, math.SmallestNonzeroFloat64}[s.IntN(12)]
}

func hexOf(s string) string { return hex.EncodeToString([]byte(s)) }

func (s source) zone() *time.Location {
	return time.FixedZone("", s.IntN(28*3600)-14*3600)
}

func (s source) unix() int64 { return s.Int64N(400_000_000_000) - 200_000_000_000 } // years -4368 to 8307

// value draws a value of any class: as Ruby shall make it, and as an attribute.
func (s source) value(t *testing.T, name string) (any, core.Attr) {
	switch s.IntN(15) {
	case 0:
		v := s.text(12)
		return []any{"String", hexOf(v)}, core.String(name, v)
	case 1:
		v := s.text(6)
		return []any{"Symbol", hexOf(v)}, glex.Symbol(name, v)
	case 2:
		v := s.Int64() >> s.IntN(64)
		if s.IntN(2) == 0 {
			v = -v
		}
		return []any{"Integer", fmt.Sprint(v)}, core.Int(name, v)
	case 3:
		v := new(big.Int).SetUint64(s.Uint64())
		v.Exp(v, big.NewInt(int64(s.IntN(6))), nil)
		if s.IntN(2) == 0 {
			v.Neg(v)
		}
		return []any{"Integer", v.String()}, glex.BigInt(name, v)
	case 4, 5:
		v := s.float()
		return []any{"Float", floatBits(v)}, glex.Float(name, v)
	case 6:
		return []any{"nil"}, glex.Nil(name)
	case 7:
		v := s.IntN(2) == 0
		return []any{fmt.Sprint(v)}, core.Bool(name, v)
	case 8:
		year, month, day := s.IntN(20000)-8000, 1+s.IntN(12), 1+s.IntN(28)
		if year == 1582 && month == 10 {
			day = 20 // days of that month are missing in Ruby's calendar
		}
		return []any{"Date", year, month, day}, glex.Date(name, year, time.Month(month), day)
	case 9:
		unix := s.unix()
		return []any{"UTC", unix}, glex.Time(name, time.Unix(unix, 0).UTC())
	case 10:
		unix, zone := s.unix(), s.zone()
		_, offset := time.Unix(unix, 0).In(zone).Zone()
		return []any{"Time", unix, offset}, glex.Time(name, time.Unix(unix, 0).In(zone))
	case 11:
		unix := s.Int64N(4_000_000_000) // since 1970: before 1582, Ruby's DateTime has another calendar
		offset := (s.IntN(28*60) - 14*60) * 60
		return []any{"DateTime", unix, offset}, glex.DateTime(name, time.Unix(unix, 0).In(time.FixedZone("", offset)))
	case 12:
		unix := s.Int64N(2_000_000_000)
		zone := []string{"UTC", "Etc/UTC", "Etc/GMT", "Europe/London", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"}[s.IntN(7)]
		loc, err := time.LoadLocation(zone)
		require.NoError(t, err)
		return []any{"TimeWithZone", unix, zone}, glex.TimeWithZone(name, time.Unix(unix, 0).In(loc))
	case 13:
		v := fmt.Sprintf("%d.%0*de%d", s.Int64N(1e9)-5e8, 1+s.IntN(8), s.IntN(1e7), s.IntN(60)-30)
		a, err := glex.Decimal(name, v)
		require.NoError(t, err)
		return []any{"BigDecimal", v}, a
	}
	if s.IntN(2) == 0 {
		v := big.NewRat(s.Int64()-1<<62, 1+s.Int64N(1e6))
		return []any{"Rational", v.Num().String(), v.Denom().String()}, glex.Rational(name, v)
	}
	id := strings.NewReplacer("/", "-", " ", "_", "\n", "", "\x00", "").Replace(s.text(9)) + "1"
	return []any{"Record", "Admin::User", id}, glex.GlobalID(name, "shop", "Admin::User", id)
}

func floatBits(v float64) string {
	return hex.EncodeToString(binary.BigEndian.AppendUint64(nil, math.Float64bits(v)))
}

// pairs draws a Hash: its pairs for Ruby, and its attributes.
func (s source) pairs(t *testing.T, names []string) (ruby []any, attrs []core.Attr) {
	ruby = []any{}
	for _, i := range s.Perm(len(names))[:s.IntN(len(names)+1)] {
		v, a := s.value(t, names[i])
		ruby = append(ruby, []any{hexOf(names[i]), v})
		attrs = append(attrs, a)
	}
	return ruby, attrs
}

var attrNames = []string{"actor", "project", "version", "clé", "with space", "a|b", "", "🚀"}

// context draws the arguments of a Ruby call, and the Context that they are.
func (s source) context(t *testing.T, q question) glex.Context {
	var c glex.Context
	q["context"], c.Attrs = s.pairs(t, attrNames)
	switch s.IntN(8) {
	case 0:
		q["sticky"] = "hash"
		q["sticky_to"], c.StickyTo = s.pairs(t, attrNames)
		if c.StickyTo == nil {
			c.StickyTo = []core.Attr{}
		}
	case 1:
		values, texts := []any{}, []string{}
		for range s.IntN(4) {
			v, a := s.value(t, "element")
			values, texts = append(values, v), append(texts, glex.Text(a))
		}
		q["sticky"], q["sticky_to"], c.StickyTo = "array", values, glex.Elements(texts...)
	case 2:
		v := s.text(20)
		q["sticky"], q["sticky_to"], c.StickyTo = "one", []any{"String", hexOf(v)}, glex.Verbatim(v)
	case 3:
		v := s.float()
		q["sticky"], q["sticky_to"], c.StickyTo = "one", []any{"Float", floatBits(v)}, glex.Elements(glex.Text(glex.Float("", v)))
	}
	if s.IntN(3) == 0 {
		var attrs []core.Attr
		q["migrated_from"], attrs = s.pairs(t, attrNames)
		c.MigratedFrom = append(c.MigratedFrom, attrs)
	}
	if s.IntN(3) == 0 {
		var attrs []core.Attr
		q["migrated_with"], attrs = s.pairs(t, attrNames)
		c.MigratedWith = append(c.MigratedWith, attrs)
	}
	return c
}
