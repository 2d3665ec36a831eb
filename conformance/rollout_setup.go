package conformance

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"testing"

	"github.com/rolloutkit/rolloutkit/core"
)

// A rolloutSetup is what a check of rollouts works with.
type rolloutSetup struct {
	*setup
	harness  Harness
	variants []string // of the experiment, control first; nil: those of the first flag
}

// A subject is a rollout over a flag system that holds one flag.
type subject struct {
	*rolloutSetup
	core.Rollout
	flag Flag
	set  func(Flag) // nil where the flag system can't change
}

// rollout returns a new rollout over a flag system that holds f. The experiment
// of f is only what its name ends with. A harness without
// [core.NamesVariants] gets candidate in place of every name but control.
func (s *rolloutSetup) rollout(f Flag) *subject {
	r := &subject{rolloutSetup: s, flag: s.adapt(f)}
	s.onHarness(func(t *testing.T) { r.Rollout, r.set = s.harness.New(t, r.flag) })
	if r.Rollout == nil {
		abortf("Harness.New returned no rollout")
	}
	return r
}

// change makes f what the flag system holds, and returns a rollout that sees
// it: the same one where the flag system reloads, else a new one.
func (r *subject) change(f Flag) *subject {
	if r.lacks(core.Reloads) {
		return r.rollout(f)
	}
	if r.set == nil {
		abortf("Harness.New returned no func to change the flag, and Harness.Unsupported gives no reason for %s", core.Reloads)
	}
	changed := *r
	changed.flag = r.adapt(f)
	r.onHarness(func(*testing.T) { r.set(changed.flag) })
	return &changed
}

// inTurn makes one flag after another what the flag system holds.
func (s *rolloutSetup) inTurn(flags ...Flag) iter.Seq2[int, *subject] {
	return func(yield func(int, *subject) bool) {
		var r *subject
		for i, f := range flags {
			if i == 0 {
				r = s.rollout(f)
			} else {
				r = r.change(f)
			}
			if !yield(i, r) {
				return
			}
		}
	}
}

// notReady returns a rollout over a flag system that never became ready.
func (s *rolloutSetup) notReady() *subject {
	r := &subject{rolloutSetup: s, flag: s.adapt(Flag{Missing: true})}
	s.onHarness(func(t *testing.T) { r.Rollout = s.harness.NotReady(t) })
	if r.Rollout == nil {
		abortf("Harness.NotReady returned no rollout")
	}
	return r
}

// adapt returns f as this harness can hold it.
func (s *rolloutSetup) adapt(f Flag) Flag {
	if f.Experiment != "" {
		f.Experiment = "_" + f.Experiment
	}
	f.Experiment = s.experiment + f.Experiment
	if s.lacks(core.NamesVariants) {
		f = f.boolean()
	}
	if s.variants == nil {
		s.variants = f.Names()
	}
	return f
}

// request returns the request of one unit.
func (r *subject) request(key string) core.Request {
	return core.Request{Experiment: r.flag.Experiment, Key: key, Variants: slices.Clone(r.variants)}
}

// resolve asks the rollout. Every call of Resolve goes through here, for the
// watchdog's sake.
func (r *subject) resolve(ctx context.Context, req core.Request) (core.Decision, error) {
	defer r.progress()
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

// names reports whether a is that variant for a unit that takes part under a
// running flag.
func (a answer) names(variant string) bool {
	return a.state.Enabled() && !a.outside && a.variant == variant
}

// ask resolves one request and reads the decision as the core does. What the
// core takes for an error is one here.
func (r *subject) ask(req core.Request) (answer, error) {
	ctx := context.Background()
	d, err := r.resolve(ctx, req)
	if err != nil {
		return answer{}, err
	}
	a := r.read(d)
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
		a.variant = r.named(a.variant)
	}
	return a, nil
}

// read returns what the core makes of d without drawing.
func (s *rolloutSetup) read(d core.Decision) answer {
	a := answer{state: d.State, variant: core.Control, outside: d.Outside, drawn: d.Choose != nil}
	if d.State.Enabled() && !d.Outside && d.Choose == nil {
		a.variant = s.named(d.Variant)
	}
	return a
}

// named returns the variant that the core takes variant for. AnyVariant stays
// where several variants could be meant.
func (s *rolloutSetup) named(variant string) string {
	switch {
	case variant == "":
		return core.Control
	case variant == core.AnyVariant && len(s.variants) == 2:
		return s.variants[1]
	}
	return variant
}

// each asks about n units of a series and hands every answer to look. An error
// is a problem.
func (r *subject) each(n int, series string, look func(key string, a answer)) {
	for u := range n {
		key := unitKey(series, u)
		a, err := r.ask(r.request(key))
		if err != nil {
			r.addf("unit %s: %v", key[:8], err)
			continue
		}
		look(key, a)
	}
}

// expect asks about n units. An answer that is not ok is a problem; want says
// what would be.
func (r *subject) expect(n int, want string, ok func(a answer) bool) {
	r.each(n, "unit", func(key string, a answer) {
		if !ok(a) {
			r.addf("unit %s: answers %v, not %s", key[:8], a, want)
		}
	})
}

// unitKey returns the key of unit u in a series: 64 hex digits, as the core
// makes them.
func unitKey(series string, u int) string {
	sum := sha256.Sum256([]byte("conformance " + series + " " + strconv.Itoa(u)))
	return hex.EncodeToString(sum[:])
}
