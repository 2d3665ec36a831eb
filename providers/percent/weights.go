package percent

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/rolloutkit/rolloutkit/core"
)

// Weights are the shares of an experiment's behaviours in percent, by variant
// name, control included. A behaviour that is not named has 0.
//
// Each weight is rounded, once, to hundredths of a percent, and the rounded
// weights must sum to exactly 100. Thirds are 33.33, 33.33 and 33.34. As an
// [Option], Weights are what [Random] and [RoundRobin] draw by.
type Weights map[string]float64

// String lists the rounded weights by name: "blue 45 %, control 25 %, red 30 %".
func (w Weights) String() string {
	shares := make([]string, 0, len(w))
	for _, name := range slices.Sorted(maps.Keys(w)) {
		shares = append(shares, name+" "+percentage(w[name]))
	}
	return strings.Join(shares, ", ")
}

// whole is the number of parts that the line is cut into: hundredths of a
// percent.
const whole = 10_000

// parts returns a percentage as a number of parts, unless it is out of range.
func parts(percent float64) (uint64, error) {
	if !(percent >= 0 && percent <= 100) { // NaN is neither
		return 0, fmt.Errorf("%v is not allowed; a share is a number from 0 to 100", percent)
	}
	return uint64(math.Round(percent * (whole / 100))), nil
}

// percentage prints a share, rounded as parts does.
func percentage(percent float64) string {
	return strconv.FormatFloat(math.Round(percent*(whole/100))/(whole/100), 'f', -1, 64) + " %"
}

// A split is the cut form of Weights. The zero split selects nobody.
type split struct {
	names []string // those weighted other than control, sorted
	ends  []uint64 // ends[i] is the sum of the parts of names[:i+1]
	state core.State
}

// cut cuts weights. An error lists every bad weight, and says what they sum to
// unless that is 100 %.
func (w Weights) cut() (split, error) {
	var (
		s    split
		errs []error
		sum  float64 // of the rounded weights, so that the error prints what was added
		on   bool
	)
	for _, name := range slices.Sorted(maps.Keys(w)) {
		sum += math.Round(w[name] * (whole / 100))
		n, err := parts(w[name])
		if err != nil {
			errs = append(errs, fmt.Errorf("the weight of %q: %w", name, err))
		}
		if name != core.Control {
			s.names = append(s.names, name)
			s.ends = append(s.ends, s.selected()+n)
			on = on || n == whole
		}
	}
	if sum != whole {
		errs = append(errs, fmt.Errorf("the weights (%v) sum to %s after rounding; they have to sum to 100 %%",
			w, percentage(sum/(whole/100))))
	}
	if errs != nil {
		return split{}, errors.Join(errs...)
	}
	switch {
	case on:
		s.state = core.On
	case s.selected() > 0:
		s.state = core.Conditional
	}
	return s, nil
}

// fits returns an error if s weights a name that variants lack.
func (s *split) fits(variants []string) error {
	var errs []error
	for _, name := range s.names {
		if !slices.Contains(variants, name) {
			errs = append(errs, fmt.Errorf("percent: the weights name %q: %w; the variants are %q",
				name, core.ErrUnknownVariant, variants))
		}
	}
	return errors.Join(errs...)
}

// selected returns how many parts are not control's.
func (s *split) selected() uint64 {
	if len(s.ends) == 0 {
		return 0
	}
	return s.ends[len(s.ends)-1]
}

// variant returns the variant at two independent points, for an experiment with
// the given behaviours.
//
// How the line is laid out depends on how many variants the experiment has, and
// not on the weights of the day, so that growing a share at control's cost
// moves units out of control only. One variant lies at the lower end. Of two,
// the second by name lies at the upper end, and control between them. Three or
// more have one share in common at the lower end, and choose cuts that in
// proportion to their weights; so they have to grow in proportion.
func (s *split) variant(behaviours []string, decide, choose core.Point) string {
	place := decide.Scale(whole)
	if max(len(s.names), len(behaviours)-1) == 2 {
		lower, upper := s.ends[0], s.selected()-s.ends[0]
		if len(s.names) == 1 && !s.first(behaviours) {
			lower, upper = 0, s.ends[0]
		}
		switch {
		case place < lower:
			return s.names[0]
		case place >= whole-upper:
			return s.names[len(s.names)-1]
		}
		return core.Control
	}
	if place >= s.selected() {
		return core.Control
	}
	return s.at(choose.Scale(s.selected()))
}

// at returns the variant at a place on the plain line: all variants in the
// order of their names from 0 up, then control.
func (s *split) at(place uint64) string {
	for i, end := range s.ends {
		if place < end {
			return s.names[i]
		}
	}
	return core.Control
}

// first reports whether the only weighted variant is the first by name of all.
func (s *split) first(behaviours []string) bool {
	for _, name := range behaviours {
		if name != core.Control && name < s.names[0] {
			return false
		}
	}
	return true
}
