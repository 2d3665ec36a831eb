package conformance

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"

	"github.com/rolloutkit/rolloutkit/core"
)

// A pipeline is an app with one experiment: the real core with the rollout
// under test.
type pipeline struct {
	*subject
	exp    *core.Experiment[visitor, string]
	store  core.Store
	events atomic.Int64
}

// A visitor is the subject of a pipeline's experiment.
type visitor struct {
	key      string // of its unit; reaches the flag system as it is
	excluded bool
}

// define returns an app over r that keeps assignments in store. An error says
// why core refuses the experiment.
func (r *subject) define(store core.Store) (*pipeline, error) {
	p := &pipeline{subject: r, store: store}
	client, err := core.New(core.Config{
		Rollout:     r.Rollout,
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
		Name:       r.flag.Experiment,
		Unit:       func(v visitor) core.Unit { return core.UnitFromKey(v.key) },
		Control:    core.Variant[visitor, string]{Value: core.Control},
		Exclusions: []core.Rule[visitor]{{Name: "excluded", If: func(_ context.Context, v visitor) bool { return v.excluded }}},
	}
	for _, name := range r.variants[1:] {
		def.Variants = append(def.Variants, core.Variant[visitor, string]{Name: name, Value: name})
	}
	p.exp, err = core.Define(client, def)
	return p, err
}

// app is define for an experiment that core has no reason to refuse.
func (r *subject) app(store core.Store) *pipeline {
	p, err := r.define(store)
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
func (p *pipeline) run(ctx context.Context, v visitor) (outcome, error) {
	defer p.progress()
	before := p.events.Load()
	trial := p.exp.For(v)
	served, err := trial.Run(ctx)
	a := trial.Assign(ctx)
	sent := p.events.Load() - before
	if served != a.Variant || err != nil {
		p.addf("unit %s: is assigned %s and served %q, error %v", v.key[:8], a.Variant, served, err)
	}
	if (sent == 1) != a.Tracked || sent > 1 {
		p.addf("unit %s: %d assignment events, tracked %v", v.key[:8], sent, a.Tracked)
	}
	return outcome{a.Variant, a.Source, a.Tracked}, a.Err
}

// serves runs the experiment for v and finds fault with anything but want.
func (p *pipeline) serves(ctx context.Context, v visitor, want outcome) {
	if got, err := p.run(ctx, v); got != want {
		p.addf("unit %s: gets %v (error %v); want %v", v.key[:8], got, err, want)
	}
}

// stores finds fault if the store has anything but variant of a unit, "" for
// nothing.
func (p *pipeline) stores(key, variant string) {
	l := []core.Lookup{{Experiment: p.exp.Name(), Key: key}}
	if err := errors.Join(p.store.Load(context.Background(), l), l[0].Err); err != nil {
		abortf("the store fails: %v", err)
	}
	if got := l[0].Entry.Variant; got != variant {
		p.addf("unit %s: the store holds %q; want %q", key[:8], got, variant)
	}
}

// forcing returns a ctx that forces variant.
func (p *pipeline) forcing(variant string) context.Context {
	return core.WithForced(context.Background(), p.exp.Name(), variant)
}
