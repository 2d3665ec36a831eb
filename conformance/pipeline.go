package conformance

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"

	"github.com/rolloutkit/rolloutkit/core"
)

// A pipeline is an app with one experiment: the real core with the rollout
// under test.
type pipeline struct {
	*setup
	exp    *core.Experiment[visitor, string]
	store  core.Store
	events atomic.Int64
}

// A visitor is the subject of a pipeline's experiment.
type visitor struct {
	key      string // of its unit; reaches the flag system as it is
	excluded bool
}

// pipeline returns an app over r, which holds flag i, that keeps assignments in
// store. An error says why core refuses the experiment.
func (s *setup) pipeline(r core.Rollout, i int, store core.Store) (*pipeline, error) {
	p := &pipeline{setup: s, store: store}
	client, err := core.New(core.Config{
		Rollout:     r,
		Store:       store,
		Tracker:     core.TrackerFunc(func(context.Context, core.Event) error { p.events.Add(1); return nil }),
		Logger:      slog.New(slog.DiscardHandler),
		KeySecret:   []byte("the units here have keys already"),
		AllowForced: true,
	})
	if err != nil {
		return nil, err
	}
	def := core.Definition[visitor, string]{
		Name:       s.flags[i].Experiment,
		Unit:       func(v visitor) core.Unit { return core.UnitFromKey(v.key) },
		Control:    core.Variant[visitor, string]{Value: core.Control},
		Exclusions: []core.Rule[visitor]{{Name: "excluded", If: func(_ context.Context, v visitor) bool { return v.excluded }}},
	}
	for _, name := range s.variants[1:] {
		def.Variants = append(def.Variants, core.Variant[visitor, string]{Name: name, Value: name})
	}
	p.exp, err = core.Define(client, def)
	return p, err
}

// app is pipeline for an experiment that core has no reason to refuse.
func (s *setup) app(r core.Rollout, i int, store core.Store) *pipeline {
	p, err := s.pipeline(r, i, store)
	if err != nil {
		abortf("the experiment can't be defined: %v", err)
	}
	return p
}

// An outcome is what a visitor got.
type outcome struct {
	variant string
	source  core.Source
	tracked bool
}

func (o outcome) String() string {
	if o.tracked {
		return fmt.Sprintf("%s, %v, tracked", o.variant, o.source)
	}
	return fmt.Sprintf("%s, %v, untracked", o.variant, o.source)
}

// run runs the experiment for v, as an app does, and returns what came of it.
func (p *pipeline) run(ctx context.Context, v visitor, f *faults) (outcome, error) {
	defer p.progress()
	before := p.events.Load()
	trial := p.exp.For(v)
	served, err := trial.Run(ctx)
	a := trial.Assign(ctx)
	sent := p.events.Load() - before
	if served != a.Variant || err != nil {
		f.addf("unit %s: is assigned %s and served %q, error %v", v.key[:8], a.Variant, served, err)
	}
	if (sent == 1) != a.Tracked || sent > 1 {
		f.addf("unit %s: %d assignment events, tracked %v", v.key[:8], sent, a.Tracked)
	}
	return outcome{a.Variant, a.Source, a.Tracked}, a.Err
}

// expect runs the experiment for v and finds fault with anything but want.
func (p *pipeline) expect(ctx context.Context, v visitor, want outcome, f *faults) {
	if got, err := p.run(ctx, v, f); got != want {
		why := ""
		if err != nil {
			why = fmt.Sprintf(" (%v)", err)
		}
		f.addf("unit %s: gets %v%s; want %v", v.key[:8], got, why, want)
	}
}

// stored returns what the store has of a unit, "" for nothing.
func (p *pipeline) stored(key string) string {
	e, _, ok, err := p.store.Load(context.Background(), p.exp.Name(), key, nil)
	if err != nil {
		abortf("the store fails: %v", err)
	}
	if !ok {
		return ""
	}
	return e.Variant
}

// keeps finds fault if the store has anything but variant of a unit, "" for
// nothing.
func (p *pipeline) keeps(key, variant string, f *faults) {
	if got := p.stored(key); got != variant {
		f.addf("unit %s: the store holds %q; want %q", key[:8], got, variant)
	}
}
