package glex

import (
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"slices"
	"strings"

	"github.com/rolloutkit/rolloutkit/core"
)

// A Version is a line of the gem's versions that draw alike. There is no
// default, since a wrong one would move people without a word.
type Version uint8

const (
	_ Version = iota
	// V07 is the gem to 0.7: the draw is among the variants, and among control
	// too with include_control, which then comes first. The number of
	// percentages is checked, their sum is not.
	V07
	// V08 is 0.8: the draw is always among all behaviours as declared.
	V08
	// V09 is 0.9 and later: percentages have to sum to 100.
	V09
)

// String returns "0.7", "0.8" or "0.9", and "Version(n)" for a value that is
// none of them.
func (v Version) String() string {
	switch v {
	case V07:
		return "0.7"
	case V08:
		return "0.8"
	case V09:
		return "0.9"
	}
	return fmt.Sprintf("Version(%d)", uint8(v))
}

// A Share is one pair of a distribution that is a Hash in Ruby.
type Share struct {
	Variant string
	Percent float64
}

// A Draw is the gem's percent rollout with its options, and does exactly what
// that does: it takes the CRC-32 of "full name:key" modulo 100 and walks the
// percentages until their running sum is no less. So the first share gets one
// hundredth more than it says, and the last one less: of [99, 1] nobody gets
// the second. Without a distribution it takes the CRC-32 modulo the number of
// names. Version and no more is default_rollout :percent.
//
// [Percent] makes a rollout of it. New experiments are better off with
// providers/percent, which gives each share what it says.
type Draw struct {
	// Version is that of the gem. Without it nothing is drawn.
	Version Version

	// IncludeControl is the option include_control. Later versions than V07
	// always include it.
	IncludeControl bool

	// Array is distribution: [25, 30, 45], and Hash is distribution: {control:
	// 25, red: 30, blue: 45} in its order. At most one is set; both nil is an
	// even split.
	Array []float64
	Hash  []Share

	// Order names all behaviours in the order in which the Ruby class declares
	// them. nil is the order of the Go definition, control first. It is needed
	// where the two differ and Hash is not set, and it keeps a Go definition
	// free to change its order.
	Order []string

	// Running counts a draw that can give nothing but control as a running
	// experiment, as the gem does: controls are tracked and stored assignments
	// stand. Without it such a draw is Off, like any rollout that can select
	// nobody.
	Running bool
}

// checksum returns what the gem draws by: the CRC-32 (IEEE 802.3) of
// "experiment:key", where experiment is a full name.
func checksum(experiment, key string) uint32 {
	crc := ^uint32(0)
	crc = updateCRC(crc, experiment)
	crc = updateCRC(crc, ":")
	return ^updateCRC(crc, key)
}

// updateCRC is crc32.Update without its inversions, on a string: package crc32
// takes bytes only, and lets them escape to the heap.
func updateCRC(crc uint32, s string) uint32 {
	for i := range len(s) {
		crc = crc32.IEEETable[byte(crc)^s[i]] ^ crc>>8
	}
	return crc
}

// even reports whether there is no distribution.
func (d *Draw) even() bool { return d.Array == nil && d.Hash == nil }

// count returns how many names the draw is among.
func (d *Draw) count(behaviours []string) int {
	if d.Order != nil {
		behaviours = d.Order
	}
	if d.Version != V07 {
		return len(behaviours)
	}
	n := 0
	for _, name := range behaviours {
		if name != core.Control {
			n++
		}
	}
	if d.IncludeControl {
		n++
	}
	return n
}

// name returns the i-th of the names.
func (d *Draw) name(behaviours []string, i int) string {
	if d.Hash != nil {
		return d.Hash[i].Variant
	}
	if d.Order != nil {
		behaviours = d.Order
	}
	if d.Version != V07 {
		return behaviours[i]
	}
	if d.IncludeControl {
		i--
	}
	for _, name := range behaviours {
		if name == core.Control {
			continue
		}
		if i == 0 {
			return name
		}
		i--
	}
	return core.Control
}

// check is the gem's validate!.
func (d *Draw) check(experiment string, behaviours []string) error {
	n := max(len(d.Array), len(d.Hash))
	switch {
	case d.Version == 0:
		return fmt.Errorf("glex: experiment %s: Draw.Version is missing: versions of the gem draw differently", experiment)
	case d.Version > V09:
		return fmt.Errorf("glex: experiment %s: %v of the gem is unknown", experiment, d.Version)
	case d.Array != nil && d.Hash != nil:
		return fmt.Errorf("glex: experiment %s: Array and Hash are both set; the gem has one distribution", experiment)
	case d.even():
		return nil
	case n != d.count(behaviours):
		return fmt.Errorf("glex: experiment %s: %d percentages, and the draw is among %d of the behaviours %q", experiment, n, d.count(behaviours), behaviours)
	}
	if d.Version == V09 {
		if sum := rubySum(d.shares()); sum != 100 {
			return fmt.Errorf("glex: experiment %s: the percentages sum to %v, not to 100", experiment, sum)
		}
	}
	return nil
}

// shares returns the percentages, nil if there are none.
func (d *Draw) shares() []float64 {
	if d.Hash == nil {
		return d.Array
	}
	shares := make([]float64, len(d.Hash))
	for i, s := range d.Hash {
		shares[i] = s.Percent
	}
	return shares
}

// walk returns which share a hundredth falls to, -1 for none.
func (d *Draw) walk(hundredth int) int {
	total := 0.0
	for i, percent := range d.shares() {
		total += percent
		if float64(hundredth) <= total { // the gem's own comparison
			return i
		}
	}
	return -1
}

// rubySum is Ruby's Array#sum, which compensates for what floating-point
// additions lose (Kahan and Babuška), so that 33.3, 33.3 and 33.4 are 100.
func rubySum(shares []float64) float64 {
	sum, lost := 0.0, 0.0
	for _, x := range shares {
		t := sum + x
		if math.Abs(sum) >= math.Abs(x) {
			lost += (sum - t) + x
		} else {
			lost += (x - t) + sum
		}
		sum = t
	}
	return sum + lost
}

// validate says what is wrong with the draw for an experiment of the core,
// which is more than the gem asks: names have to be the experiment's.
func (d *Draw) validate(experiment string, variants []string) error {
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("glex: experiment %s: "+format, append([]any{experiment}, args...)...))
	}
	if d.Order != nil && !slices.Equal(slices.Sorted(slices.Values(d.Order)), slices.Sorted(slices.Values(variants))) {
		fault("Order is %q; it has to name each of %q once", d.Order, variants)
	}
	for i, s := range d.Hash {
		if !slices.Contains(variants, s.Variant) {
			fault("the distribution names %q; the variants are %q", s.Variant, variants)
		}
		if slices.ContainsFunc(d.Hash[:i], func(o Share) bool { return o.Variant == s.Variant }) {
			fault("the distribution names %q twice", s.Variant)
		}
	}
	for _, p := range d.shares() {
		if math.IsNaN(p) || math.IsInf(p, 0) {
			fault("%v is no percentage", p)
		}
	}
	if err := d.check(experiment, variants); err != nil {
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}

// String describes the draw in one line. Draws with the same line are the same.
func (d Draw) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "gem %v", d.Version)
	if d.IncludeControl && d.Version == V07 {
		b.WriteString(", control included")
	}
	switch {
	case d.Hash != nil:
		for _, s := range d.Hash {
			fmt.Fprintf(&b, ", %s %v %%", s.Variant, s.Percent)
		}
	case d.Array != nil:
		fmt.Fprintf(&b, ", %v %%", d.Array)
	default:
		b.WriteString(", evenly")
	}
	if d.Order != nil && d.Hash == nil {
		fmt.Fprintf(&b, ", in the order %q", d.Order)
	}
	if d.Running {
		b.WriteString(", running even if it gives control alone")
	}
	return b.String()
}
