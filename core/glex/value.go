package glex

import (
	"fmt"
	"math"
	"math/big"
	"net/url"
	"strconv"
	"strings"

	"github.com/rolloutkit/rolloutkit/core"
)

// Nil returns an attribute whose value is nil in Ruby. The gem can't tell it
// from an empty text.
func Nil(name string) core.Attr { return core.String(name, "") }

// Symbol returns an attribute whose value is a Symbol in Ruby, given without
// its colon. The gem can't tell it from a text.
func Symbol(name, symbol string) core.Attr { return core.String(name, symbol) }

// Float returns an attribute whose value is a Float in Ruby. It differs from
// [core.Float] for -0.0 alone, which Ruby writes with its sign.
func Float(name string, v float64) core.Attr {
	if v == 0 && math.Signbit(v) {
		return core.String(name, "-0.0")
	}
	return core.Float(name, v)
}

// BigInt returns an attribute whose value is an Integer in Ruby, of any size.
// nil is Ruby's nil.
func BigInt(name string, v *big.Int) core.Attr {
	if v == nil {
		return Nil(name)
	}
	return core.String(name, v.String())
}

// Rational returns an attribute whose value is a Rational in Ruby: 1/2, and 2/1
// for whole numbers. nil is Ruby's nil.
func Rational(name string, v *big.Rat) core.Attr {
	if v == nil {
		return Nil(name)
	}
	return core.String(name, v.String())
}

// GlobalID returns an attribute whose value is a model in Ruby, such as
// current_user: the gem hashes its Global ID, gid://app/Model/id. app is
// GlobalID.app, which is by default the name of the Rails application in
// dashes; model is the name of the class, such as "Admin::User"; id is the
// model's id as text, a UUID or a number.
func GlobalID(name, app, model, id string) core.Attr {
	return core.String(name, "gid://"+app+"/"+model+"/"+url.QueryEscape(id))
}

// maxDecimal bounds the digits that Decimal writes.
const maxDecimal = 4096

// Decimal returns an attribute whose value is a BigDecimal in Ruby, as
// ActiveSupport writes it: all digits, with a point, without an exponent. text
// is a number in decimal, with an exponent or without, or NaN, Infinity or
// -Infinity.
func Decimal(name, text string) (core.Attr, error) {
	switch text {
	case "NaN", "Infinity", "-Infinity":
		return core.String(name, text), nil
	}
	s, ok := plainDecimal(text)
	if !ok {
		return core.Attr{}, fmt.Errorf("glex: attribute %q: %q is no decimal number of at most %d digits", name, text, maxDecimal)
	}
	return core.String(name, s), nil
}

// plainDecimal writes a decimal number without an exponent and without needless
// zeros, but with at least one digit on both sides of the point.
func plainDecimal(text string) (string, bool) {
	sign, rest := "", text
	switch {
	case strings.HasPrefix(rest, "-"):
		sign, rest = "-", rest[1:]
	case strings.HasPrefix(rest, "+"):
		rest = rest[1:]
	}
	exponent := 0
	if i := strings.IndexAny(rest, "eE"); i >= 0 {
		var err error
		if exponent, err = strconv.Atoi(rest[i+1:]); err != nil || exponent < -maxDecimal || exponent > maxDecimal {
			return "", false
		}
		rest = rest[:i]
	}
	whole, fraction, hasPoint := strings.Cut(rest, ".")
	digits := whole + fraction
	if len(digits) == 0 || len(digits) > maxDecimal || hasPoint && fraction == "" || strings.Trim(digits, "0123456789") != "" {
		return "", false
	}
	point := len(whole) + exponent
	if point < 0 {
		digits, point = strings.Repeat("0", -point)+digits, 0
	}
	if n := point - len(digits); n > 0 {
		digits += strings.Repeat("0", n)
	}
	whole = strings.TrimLeft(digits[:point], "0")
	fraction = strings.TrimRight(digits[point:], "0")
	if whole == "" {
		whole = "0"
	}
	if fraction == "" {
		fraction = "0"
	}
	return sign + whole + "." + fraction, true
}
