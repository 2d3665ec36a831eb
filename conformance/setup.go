package conformance

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/rolloutkit/rolloutkit/core"
)

// A setup is what a check works with: the flags of its law, as this harness can
// hold them, and rollouts over them.
type setup struct {
	*watched
	harness  *Harness
	flags    []Flag
	variants []string

	t       tester       // for the harness's hooks alone
	current core.Rollout // the rollout made last
	set     func(Flag)   // its func to change the flag
}

func newSetup(t tester, w *watched, h *Harness, l Law) *setup {
	s := &setup{watched: w, harness: h, variants: l.Variants, t: t}
	for _, f := range l.Flags {
		name := "conformance_" + strings.ReplaceAll(l.ID, "-", "_")
		if f.Experiment != "" {
			name += "_" + f.Experiment
		}
		f.Experiment = name
		if h.lacks(core.NamesVariants) {
			f = f.boolean()
		}
		s.flags = append(s.flags, f)
	}
	if s.variants == nil {
		s.variants = []string{core.Control}
		for _, f := range s.flags {
			for _, name := range f.Names() {
				if !slices.Contains(s.variants, name) {
					s.variants = append(s.variants, name)
				}
			}
		}
	}
	return s
}

// rollout returns a new rollout over a flag system that holds flag i.
func (s *setup) rollout(i int) core.Rollout {
	s.onTest(func() { s.current, s.set = s.harness.New(s.t.hooks(), s.flags[i]) })
	if s.current == nil {
		abortf("Harness.New returned no rollout")
	}
	return s.current
}

// change makes flag i what the flag system holds, and returns a rollout that
// sees it: the one made last where the flag system reloads, else a new one.
func (s *setup) change(i int) core.Rollout {
	if s.harness.lacks(core.Reloads) {
		return s.rollout(i)
	}
	if s.set == nil {
		abortf("Harness.New returned no func to change the flag, and Harness.Unsupported gives no reason for %s", core.Reloads)
	}
	s.onTest(func() { s.set(s.flags[i]) })
	return s.current
}

// turn makes flag i what the flag system holds, in a series that starts at 0.
func (s *setup) turn(i int) core.Rollout {
	if i == 0 {
		return s.rollout(0)
	}
	return s.change(i)
}

// never returns a rollout over a flag system that never became ready.
func (s *setup) never() (r core.Rollout) {
	s.onTest(func() { r = s.harness.Unready(s.t.hooks()) })
	if r == nil {
		abortf("Harness.Unready returned no rollout")
	}
	return r
}

// request returns the request of one unit for flag i.
func (s *setup) request(i int, key string) core.Request {
	return core.Request{Experiment: s.flags[i].Experiment, Key: key, Variants: slices.Clone(s.variants)}
}

// resolve asks r. Every call of Resolve goes through here, for the watchdog's
// sake.
func (s *setup) resolve(ctx context.Context, r core.Rollout, req core.Request) (core.Decision, error) {
	defer s.progress()
	return r.Resolve(ctx, req)
}

// An answer is a decision as the core reads it.
type answer struct {
	state   core.State
	variant string // control where nothing else counts
	outside bool
	drawn   bool // by Choose
}

func (a answer) String() string {
	text := a.state.String() + " with " + a.variant
	if a.outside {
		text += ", outside"
	}
	if a.drawn {
		text += ", drawn"
	}
	return text
}

// ask resolves one request and reads the decision as the core does. What the
// core takes for an error is one here.
func (s *setup) ask(r core.Rollout, req core.Request) (answer, error) {
	ctx := context.Background()
	d, err := s.resolve(ctx, r, req)
	if err != nil {
		return answer{}, err
	}
	a := s.read(d)
	switch {
	case d.State > core.On:
		return a, fmt.Errorf("answers %v, which is no state", d.State)
	case d.State == core.On && (d.Outside || d.Choose != nil):
		return a, fmt.Errorf("answers %v; on is one variant for everybody, so nobody is outside or to be drawn", a)
	}
	if d.Choose != nil && d.State.Enabled() && !d.Outside {
		if a.variant, err = d.Choose(ctx); err != nil {
			return answer{}, fmt.Errorf("draws by Choose: %w", err)
		}
		a.variant = s.name(a.variant)
	}
	return a, nil
}

// read returns what the core makes of d without drawing.
func (s *setup) read(d core.Decision) answer {
	a := answer{state: d.State, variant: core.Control, outside: d.Outside, drawn: d.Choose != nil}
	if d.State.Enabled() && !d.Outside && d.Choose == nil {
		a.variant = s.name(d.Variant)
	}
	return a
}

// name returns the variant that the core takes variant for. AnyVariant stays
// where several variants could be meant.
func (s *setup) name(variant string) string {
	switch {
	case variant == "":
		return core.Control
	case variant == core.AnyVariant && len(s.variants) == 2:
		return s.variants[1]
	}
	return variant
}

// each asks r about n units under flag i and hands every answer to look; an
// error is a problem of its own.
func (s *setup) each(r core.Rollout, i, n int, f *faults, look func(key string, a answer)) {
	s.eachOf(r, i, n, "unit", f, look)
}

// eachOf is each for another series of units.
func (s *setup) eachOf(r core.Rollout, i, n int, series string, f *faults, look func(key string, a answer)) {
	for u := range n {
		key := unitKey(series, u)
		a, err := s.ask(r, s.request(i, key))
		if err != nil {
			f.addf("unit %s: %v", key[:8], err)
			continue
		}
		look(key, a)
	}
}

// unitKey returns the key of unit u in a series: 64 hex digits, as the core
// makes them.
func unitKey(series string, u int) string {
	sum := sha256.Sum256([]byte("conformance " + series + " " + strconv.Itoa(u)))
	return hex.EncodeToString(sum[:])
}
