package glex

import (
	"math"
	"strconv"

	"github.com/rolloutkit/rolloutkit/core"
)

// appendText appends the value of a as Ruby's to_s writes it, which is what the
// gem hashes: strings as they are, whole numbers in decimal, true and false, and
// floating-point numbers by Ruby's own rules.
func appendText(b []byte, a core.Attr) []byte {
	switch v := a.Value().(type) {
	case int64:
		return strconv.AppendInt(b, v, 10)
	case uint64:
		return strconv.AppendUint(b, v, 10)
	case bool:
		return strconv.AppendBool(b, v)
	case float64:
		return appendFloat(b, v)
	}
	return append(b, a.Text()...)
}

// Ruby writes floating-point numbers without an exponent while their decimal
// point is less than this far from the first digit (flo_to_s in Ruby's
// numeric.c).
const (
	minPoint = -4 // 0.0001 has its point at -3
	maxPoint = 15 // 100000000000000.0 has it at 15
)

// appendFloat appends v as Float#to_s writes it: the shortest digits that read
// back as v, always with a point, and with an exponent of a sign and at least
// two digits where the number is small or large. A number whose point lies
// within its digits never has an exponent.
func appendFloat(b []byte, v float64) []byte {
	switch {
	case math.IsNaN(v):
		return append(b, "NaN"...)
	case math.IsInf(v, 1):
		return append(b, "Infinity"...)
	case math.IsInf(v, -1):
		return append(b, "-Infinity"...)
	case math.Signbit(v):
		b, v = append(b, '-'), -v
	}
	if v == 0 {
		return append(b, "0.0"...)
	}

	// d.ddde±x: the digits, and where the point lies among them.
	var buf [32]byte
	e := strconv.AppendFloat(buf[:0], v, 'e', -1, 64)
	n := len(e) - 1
	for e[n] != 'e' {
		n--
	}
	exponent, _ := strconv.Atoi(string(e[n+1:]))
	digits := e[:1]
	if n > 2 {
		digits = append(digits, e[2:n]...)
	}
	point := exponent + 1

	switch {
	case 0 < point && point < len(digits):
		b = append(b, digits[:point]...)
		b = append(b, '.')
		return append(b, digits[point:]...)
	case 0 < point && point <= maxPoint:
		b = append(b, digits...)
		b = appendZeros(b, point-len(digits))
		return append(b, ".0"...)
	case minPoint < point && point <= 0:
		b = append(b, "0."...)
		b = appendZeros(b, -point)
		return append(b, digits...)
	}
	b = append(b, digits[0], '.')
	if len(digits) == 1 {
		b = append(b, '0')
	}
	b = append(b, digits[1:]...)
	b = append(b, 'e')
	sign := byte('+')
	if exponent < 0 {
		sign, exponent = '-', -exponent
	}
	b = append(b, sign)
	if exponent < 10 {
		b = append(b, '0')
	}
	return strconv.AppendInt(b, int64(exponent), 10)
}

func appendZeros(b []byte, n int) []byte {
	for range n {
		b = append(b, '0')
	}
	return b
}
