package openfeature

import (
	"context"
	"errors"
	"fmt"

	of "github.com/open-feature/go-sdk/openfeature"

	"github.com/rolloutkit/rolloutkit/core"
)

// This file keeps a Provider from asking itself: an experiment whose rollout asks
// OpenFeature, where this very provider answers by running the experiment. At
// registration findLoops looks for it; what comes about later, or through wrappers
// that can't be looked into, is stopped by enter.

type visitKey struct{}

// A visit is one evaluation by a provider, kept in the ctx of all that happens
// inside it.
type visit struct {
	provider *Provider
	flag     string
	outer    *visit
}

// enter returns the ctx for an evaluation, and an error if the same provider is
// evaluating the same flag further out.
func (p *Provider) enter(ctx context.Context, flag string) (context.Context, error) {
	outer, _ := ctx.Value(visitKey{}).(*visit)
	for v := outer; v != nil; v = v.outer {
		if v.provider == p && v.flag == flag {
			return ctx, fmt.Errorf("experiment %s asks OpenFeature about itself: its rollout, or a behaviour, evaluates the flag %s of the provider that is running it", flag, flag)
		}
	}
	return context.WithValue(ctx, visitKey{}, &visit{p, flag, outer}), nil
}

// findLoops returns an error that names the experiments whose own OpenFeature
// client has p as its provider.
func (p *Provider) findLoops(ctx context.Context) error {
	var faults []error
	for _, x := range p.all() {
		r := openFeatureIn(x.Rollout())
		if r == nil || r.fault != nil || !p.answers(ctx, r, x.Name()) {
			continue
		}
		faults = append(faults, fmt.Errorf("experiment %s is decided by the OpenFeature client of domain %q, which asks this provider, which would ask that client again: "+
			"register another provider for that domain first, or give the experiment another rollout", x.Name(), r.client.Metadata().Domain()))
	}
	return errors.Join(faults...)
}

// openFeatureIn returns the Rollout that r is, or wraps and shows by Unwrap; nil
// for none.
func openFeatureIn(r core.Rollout) *Rollout {
	for range 100 { // deeper wrappers wrap themselves
		switch is := r.(type) {
		case *Rollout:
			return is
		case interface{ Unwrap() core.Rollout }:
			r = is.Unwrap()
		default:
			return nil
		}
	}
	return nil
}

type probeKey struct{}

// A probe is an evaluation that only finds out which provider would answer.
type probe struct{ reached *Provider }

var errProbe = errors.New("this evaluation only asks which provider there is")

// answers reports whether p is the provider of r's client. The evaluation ends
// in a hook, before any provider is asked; while p is registered it does not even
// come so far. The hooks of the client's provider see its end either way.
func (p *Provider) answers(ctx context.Context, r *Rollout, experiment string) (yes bool) {
	asked := &probe{}
	defer func() {
		_ = recover() // of a hook: what it does to evaluations is for those to tell
		yes = asked.reached == p
	}()
	ctx = context.WithValue(ctx, probeKey{}, asked)
	_, _ = r.client.StringValueDetails(ctx, r.flag(experiment), "", of.EvaluationContext{}, of.WithHookHints(ownHints), of.WithHooks(stopHook{}))
	return false // overruled above
}

// A stopHook ends an evaluation.
type stopHook struct{ of.UnimplementedHook }

func (stopHook) Before(context.Context, of.HookContext, of.HookHints) (*of.EvaluationContext, error) {
	return nil, errProbe
}

// A loopHook is the hook of a Provider: it tells a probe where it got to.
type loopHook struct {
	of.UnimplementedHook
	provider *Provider
}

func (h loopHook) Error(ctx context.Context, _ of.HookContext, _ error, _ of.HookHints) {
	if asked, ok := ctx.Value(probeKey{}).(*probe); ok {
		asked.reached = h.provider
	}
}
