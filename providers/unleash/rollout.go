package unleash

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	uc "github.com/Unleash/unleash-client-go/v4"
	"github.com/Unleash/unleash-client-go/v4/api"
	ucontext "github.com/Unleash/unleash-client-go/v4/context"

	"github.com/rolloutkit/rolloutkit/core"
)

// A Rollout has an Unleash client decide. Make it with [New]. It can be used by
// many goroutines.
type Rollout struct {
	client *uc.Client
	opts   Options
	reader reader
	source source
	fault  error // what New could not return
	view   atomic.Pointer[view]
}

var (
	_ core.Rollout   = (*Rollout)(nil)
	_ core.Validator = (*Rollout)(nil)
	_ core.Describer = (*Rollout)(nil)
)

// A view is what the toggles of one moment mean, as far as anybody asked.
type view struct {
	of      *definitions
	toggles map[string]*toggle // by experiment
}

// A toggle is one definition, and what is needed to evaluate it.
type toggle struct {
	toggleSpec
	name string
	pin  uc.VariantOption // has the client evaluate this very definition
}

// New returns a rollout over client, which stays the caller's: the rollout never
// closes it and never waits for it. Nil options work. A nil client is an error
// of Define and of every evaluation.
func New(client *uc.Client, opts *Options) *Rollout {
	r := &Rollout{client: client}
	if opts != nil {
		r.opts = *opts
	}
	r.opts.Toggles = maps.Clone(r.opts.Toggles)
	r.opts.Strategies = slices.Clone(r.opts.Strategies)
	r.reader = reader{strategies: r.opts.Strategies, boolean: r.opts.Boolean, foreign: r.opts.Context != nil}
	if r.opts.Storage != nil {
		r.source = r.opts.Storage
	} else {
		r.source = &lister{client: client, every: cmp.Or(r.opts.Refresh, time.Second)}
	}
	r.view.Store(&view{})
	switch {
	case client == nil:
		r.fault = errors.New("the Unleash client is nil")
	case r.opts.Refresh < 0:
		r.fault = fmt.Errorf("Options.Refresh is %v, which is negative", r.opts.Refresh)
	case r.opts.AllowRandom && r.opts.UnselectedOutside:
		r.fault = errors.New("Options.AllowRandom and UnselectedOutside exclude each other: a drawn unit can't be outside")
	}
	return r
}

// errMoved: the client answered what the definition rules out, because it
// evaluated by a newer one of a parent, or by a strategy unknown here.
var errMoved = errors.New("the answer does not fit the definition")

// Resolve evaluates the experiment's toggle for the unit: once, and once more
// only where a parent of the toggle was changed meanwhile. It does no I/O and
// does not look at ctx.
//
// Errors wrap core.ErrFlagNotFound for an unknown or archived toggle,
// core.ErrNotReady where there are no toggles yet, core.ErrUnknownVariant for a
// toggle that names a variant which the experiment does not have, and
// [ErrClosed].
func (r *Rollout) Resolve(_ context.Context, req core.Request) (core.Decision, error) {
	if r.fault != nil {
		return core.Decision{}, r.fault
	}
	c, err := r.context(req)
	if err != nil {
		return core.Decision{}, err
	}
	d, err := r.decide(req, c, false)
	if errors.Is(err, errMoved) {
		d, err = r.decide(req, c, true)
	}
	return d, err
}

// decide makes the decision by one snapshot of the definitions.
func (r *Rollout) decide(req core.Request, c ucontext.Context, now bool) (core.Decision, error) {
	t, err := r.toggle(req.Experiment, now)
	if err != nil {
		return core.Decision{}, err
	}
	if field := t.unseeded(&c); field != "" && t.state != core.Off {
		return r.draw(t, field, req, c)
	}
	return r.evaluate(t, req.Variants, c)
}

// evaluate has the client evaluate t. It counts in the client's metrics.
func (r *Rollout) evaluate(t *toggle, variants []string, c ucontext.Context) (core.Decision, error) {
	v, err := r.variant(t, c)
	if err != nil {
		return core.Decision{}, err
	}
	selected, name := outcome(v)
	if r.opts.Boolean {
		name = ""
	}
	d := core.Decision{State: t.state}
	switch {
	case !t.can.include(selected, name):
		return d, t.moved(selected, name)
	case t.state == core.Off && !selected:
		d.Reason = "off"
	case !selected:
		d.Reason, d.Outside = "no strategy matched", r.opts.UnselectedOutside
	case name == "":
		d.Reason, d.Variant = "enabled, no variant", core.AnyVariant
		if len(variants) != 2 && d.State == core.On {
			d.State = core.Conditional // several variants for everybody
		}
	default:
		d.Reason, d.Variant = "variant", name
		if !slices.Contains(variants, name) {
			return d, fmt.Errorf("toggle %q: %w %q; the experiment has %q", t.name, core.ErrUnknownVariant, name, variants)
		}
	}
	return d, nil
}

// variant asks the client. It has the client's panics, and keeps away from a
// client that was closed.
func (r *Rollout) variant(t *toggle, c ucontext.Context) (v *api.Variant, err error) {
	if err := r.source.begin(); err != nil {
		return nil, err
	}
	defer func() {
		r.source.end()
		if p := recover(); p != nil {
			err = fmt.Errorf("toggle %q: the Unleash client panicked, as it does over a strategy "+
				"that lacks a parameter such as stickiness: %v", t.name, p)
		}
	}()
	return r.client.GetVariant(t.name, t.pin, uc.WithVariantContext(c)), nil
}

// draw leaves the evaluation to Choose, since a second one would answer
// something else.
func (r *Rollout) draw(t *toggle, field string, req core.Request, c ucontext.Context) (core.Decision, error) {
	if !r.opts.AllowRandom {
		return core.Decision{}, fmt.Errorf("toggle %q is sticky on %q, which the unit does not have, "+
			"so that Unleash would draw anew at every evaluation: make it sticky on userId, or set Options.AllowRandom", t.name, field)
	}
	variants := slices.Clone(req.Variants)
	return core.Decision{State: t.state, Reason: "drawn", Choose: func(context.Context) (string, error) {
		d, err := r.evaluate(t, variants, c)
		return d.Variant, err
	}}, nil
}

// unseeded returns the field that the client would need to answer alike every
// time, and that c lacks. "" if it has all.
func (spec *toggleSpec) unseeded(c *ucontext.Context) string {
	for _, seeds := range [...][]string{spec.selectSeeds, spec.variantSeeds} {
		for _, field := range seeds {
			switch field {
			case seedDefault:
				if c.UserId == "" && c.SessionId == "" {
					return "userId"
				}
			case "environment", "appName": // the client's own where c has none
			default:
				if field == seedRandom || c.Field(field) == "" {
					return field
				}
			}
		}
	}
	return ""
}

// moved returns the error for an answer that the definition rules out.
func (t *toggle) moved(selected bool, name string) error {
	what := "does not select a unit"
	switch {
	case name != "":
		what = fmt.Sprintf("gives a unit %q", name)
	case selected:
		what = "selects a unit"
	}
	return fmt.Errorf("toggle %q: Unleash %s, but %w (%v): a parent of it is being changed, "+
		"or Options.Strategies lacks a strategy", t.name, what, errMoved, t.state)
}

// context returns what the client gets to know of the unit: the key and the
// traits. Traits called as one of the client's own fields set that.
func (r *Rollout) context(req core.Request) (ucontext.Context, error) {
	c := ucontext.Context{UserId: req.Key, SessionId: req.Key}
	for _, a := range req.Traits {
		switch a.Name {
		case "userId", "sessionId":
			return c, fmt.Errorf("the trait %q can't be passed on: Unleash hashes on that field, so it holds the key; "+
				"give the trait another name, or set Options.Context", a.Name)
		case "remoteAddress":
			c.RemoteAddress = a.Text()
		case "environment":
			c.Environment = a.Text()
		case "appName":
			c.AppName = a.Text()
		case "currentTime":
			c.CurrentTime = a.Text()
		default:
			if c.Properties == nil {
				c.Properties = make(map[string]string, len(req.Traits))
			}
			c.Properties[a.Name] = a.Text()
		}
	}
	if r.opts.Context != nil {
		c = r.opts.Context(req, c)
	}
	return c, nil
}

// toggle returns the experiment's toggle and what it means.
func (r *Rollout) toggle(experiment string, now bool) (*toggle, error) {
	of, err := r.source.load(now)
	if err != nil {
		return nil, err
	}
	if v := r.view.Load(); v.of == of {
		if t := v.toggles[experiment]; t != nil {
			return t, nil
		}
	}
	return r.learn(experiment, of)
}

// learn reads the definition of the experiment's toggle and keeps what it means
// until the definitions change.
func (r *Rollout) learn(experiment string, of *definitions) (*toggle, error) {
	f, err := r.find(experiment, of)
	if err != nil {
		return nil, err
	}
	t := &toggle{name: f.Name, toggleSpec: r.reader.read(f, func(name string) *api.Feature { return of.byName[name] })}
	if t.segments && !of.fresh && t.state != core.Off {
		return nil, fmt.Errorf("toggle %q uses segments, which backups and bootstrap data do not hold, and no server answered yet: %w",
			f.Name, core.ErrNotReady)
	}
	f = evaluable(f)
	t.pin = uc.WithVariantResolver(func(string) *api.Feature { return f })
	for {
		old := r.view.Load()
		next := &view{of: of, toggles: map[string]*toggle{experiment: t}}
		if old.of == of {
			next.toggles = maps.Clone(old.toggles)
			next.toggles[experiment] = t
		}
		if r.view.CompareAndSwap(old, next) {
			return t, nil
		}
	}
}

// find returns the definition of the experiment's toggle.
func (r *Rollout) find(experiment string, of *definitions) (*api.Feature, error) {
	name := r.toggleName(experiment)
	f := of.byName[name]
	if f == nil {
		return nil, fmt.Errorf("toggle %q: %w", name, core.ErrFlagNotFound)
	}
	return f, nil
}

func (r *Rollout) toggleName(experiment string) string {
	if name, ok := r.opts.Toggles[experiment]; ok {
		return name
	}
	return r.opts.Prefix + experiment
}
