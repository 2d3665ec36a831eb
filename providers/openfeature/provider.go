package openfeature

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync/atomic"

	of "github.com/open-feature/go-sdk/openfeature"

	"github.com/rolloutkit/rolloutkit/core"
)

var (
	_ of.FeatureProvider          = (*Provider)(nil)
	_ of.ContextAwareStateHandler = (*Provider)(nil)
	_ of.EventHandler             = (*Provider)(nil)
	_ of.Tracker                  = (*Provider)(nil)
)

// ProviderName is the name in a [Provider]'s metadata.
const ProviderName = "rolloutkit"

// A Provider is an OpenFeature provider whose flags are experiments, so that code
// which only speaks OpenFeature takes part in them. Make one with [NewProvider].
// It is safe for many goroutines, starts none, and can serve several domains of
// one API.
//
// A flag's key is the experiment's full name. An evaluation runs the experiment:
// the whole decision order, the assignment event, the behaviour. Its value is
// what the behaviour returns, see [Provider.ObjectEvaluation] for the types. Its
// variant is the experiment's, and its metadata tells experiment, key, source,
// origin, state, tracked and degraded.
type Provider struct {
	client *core.Client
	bound  map[string]*core.Bound // nil: all that are bound on the client
	fault  error                  // of the arguments of NewProvider
	ready  atomic.Bool
	health health
	own    []of.Hook
	log    throttledLog
}

// NewProvider returns a provider of the given experiments, made reachable by
// [core.Bind] on client; of all that are bound there, now and later, if none is
// given. What is wrong surfaces when the provider is registered: a nil or
// foreign argument, and an experiment whose own rollout would ask this provider
// again, are an error of SetProviderAndWait, and leave the provider in state
// FATAL.
func NewProvider(client *core.Client, bound ...*core.Bound) *Provider {
	p := &Provider{client: client, health: newHealth(), log: newThrottledLog(client, "experiment: OpenFeature's provider failed")}
	p.own = []of.Hook{loopHook{provider: p}}
	if client == nil {
		p.fault = errors.New("the core.Client is nil")
		return p
	}
	for i, b := range bound {
		if b == nil {
			p.fault = errors.Join(p.fault, fmt.Errorf("bound experiment %d is nil", i+1))
			continue
		}
		if latest, _ := client.Bound(b.Name()); latest != b {
			p.fault = errors.Join(p.fault, fmt.Errorf("experiment %s is bound on another client, or was bound again since", b.Name()))
		}
		if p.bound == nil {
			p.bound = map[string]*core.Bound{}
		}
		p.bound[b.Name()] = b
	}
	return p
}

// lookup returns the experiment that a flag key means.
func (p *Provider) lookup(flag string) (*core.Bound, bool) {
	if p.bound == nil {
		return p.client.Bound(flag)
	}
	b, ok := p.bound[flag]
	return b, ok
}

// all returns the experiments that are reachable now, by name.
func (p *Provider) all() (all []*core.Bound) {
	for _, info := range p.client.Experiments() {
		if b, ok := p.lookup(info.Name); ok {
			all = append(all, b)
		}
	}
	return all
}

// Metadata returns the provider's name.
func (p *Provider) Metadata() of.Metadata { return of.Metadata{Name: ProviderName} }

// Hooks returns the hook that finds out, at registration, whether an experiment's
// rollout would ask this provider. It does nothing to other evaluations.
func (p *Provider) Hooks() []of.Hook { return p.own }

// Init is InitWithContext without a deadline.
func (p *Provider) Init(c of.EvaluationContext) error {
	return p.InitWithContext(context.Background(), c)
}

// InitWithContext checks the arguments of NewProvider, and that no experiment
// would ask this provider about itself. For that it asks the OpenFeature client
// of every experiment that has one which provider it has: hooks of the API and
// the client see an evaluation that fails, and no provider sees it. It does no
// I/O of its own.
func (p *Provider) InitWithContext(ctx context.Context, _ of.EvaluationContext) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	fault := p.fault
	if fault == nil {
		fault = p.findLoops(ctx)
	}
	if fault != nil {
		return &of.ProviderInitError{ErrorCode: of.ProviderFatalCode, Message: fault.Error()}
	}
	p.ready.Store(true)
	return nil
}

// Shutdown ends evaluations: later ones are PROVIDER_NOT_READY. The client is the
// app's, and stays as it is. The provider can be registered again.
func (p *Provider) Shutdown() { p.ready.Store(false) }

// ShutdownWithContext is Shutdown.
func (p *Provider) ShutdownWithContext(context.Context) error {
	p.Shutdown()
	return nil
}

// EventChannel returns the events of the provider. Evaluations make them:
//
//   - PROVIDER_STALE when the first experiment meets a store or a flag system
//     that fails, and PROVIDER_READY when the last one of those is evaluated
//     without;
//   - PROVIDER_CONFIGURATION_CHANGED with the experiment's name when its state
//     is no longer what it was at an earlier evaluation.
func (p *Provider) EventChannel() <-chan of.Event { return p.health.events }

// BooleanEvaluation runs the experiment, whose behaviours return booleans.
func (p *Provider) BooleanEvaluation(ctx context.Context, flag string, fallback bool, attrs of.FlattenedContext) of.BoolResolutionDetail {
	return typed(ctx, p, flag, fallback, attrs, toKind[bool])
}

// StringEvaluation runs the experiment, whose behaviours return strings.
func (p *Provider) StringEvaluation(ctx context.Context, flag string, fallback string, attrs of.FlattenedContext) of.StringResolutionDetail {
	return typed(ctx, p, flag, fallback, attrs, toKind[string])
}

// FloatEvaluation runs the experiment, whose behaviours return numbers.
func (p *Provider) FloatEvaluation(ctx context.Context, flag string, fallback float64, attrs of.FlattenedContext) of.FloatResolutionDetail {
	return typed(ctx, p, flag, fallback, attrs, toFloat)
}

// IntEvaluation runs the experiment, whose behaviours return whole numbers.
func (p *Provider) IntEvaluation(ctx context.Context, flag string, fallback int64, attrs of.FlattenedContext) of.IntResolutionDetail {
	return typed(ctx, p, flag, fallback, attrs, toInt)
}

// ObjectEvaluation runs the experiment, whose behaviours return structs, maps,
// slices or pointers to such. The value is what the behaviour returned, of its
// own type. Behaviours that return a type of the other four evaluations are a
// TYPE_MISMATCH here, as they are there for each other; whole numbers alone are
// numbers too. A behaviour that returns nil gives the caller's default.
func (p *Provider) ObjectEvaluation(ctx context.Context, flag string, fallback any, attrs of.FlattenedContext) of.InterfaceResolutionDetail {
	return typed(ctx, p, flag, fallback, attrs, toObject)
}

// Track sends an event of the app's own, with the name as its action. It goes to
// the experiment that the details name under "experiment", which enrols the unit
// as Experiment.Track does, or, without that, to each experiment of the provider
// that the unit has a stored assignment in. The details "label" and "property"
// are the event's, if they are texts; the others are its fields.
func (p *Provider) Track(ctx context.Context, name string, unit of.EvaluationContext, details of.TrackingEventDetails) {
	defer func() {
		if r := recover(); r != nil {
			p.log.warn(ctx, name, panicked(r))
		}
	}()
	if !p.ready.Load() {
		return
	}
	ctx, err := p.enter(ctx, name)
	if err != nil {
		return // the event that it came from is on its way
	}
	attrs := unit.Attributes()
	if key := unit.TargetingKey(); key != "" {
		attrs[of.TargetingKey] = key
	}
	if experiment, ok := details.Attribute("experiment").(string); ok {
		b, found := p.lookup(experiment)
		if !found {
			p.log.warn(ctx, name, unbound(experiment))
			return
		}
		trial, err := b.For(attrs)
		p.track(ctx, trial, err, eventOf(name, details))
		return
	}
	for _, b := range p.all() {
		trial, err := b.ForAssigned(maps.Clone(attrs))
		p.track(ctx, trial, err, eventOf(name, details))
	}
}

// track sends e for the trial, unless err says that there is none.
func (p *Provider) track(ctx context.Context, trial core.AnyTrial, err error, e core.Event) {
	if err == nil {
		err = trial.Track(ctx, e)
	}
	if err != nil {
		p.log.warn(ctx, e.Action, err)
	}
}

func unbound(experiment string) error {
	return fmt.Errorf("no experiment called %q is bound", experiment)
}

// eventOf returns the event that OpenFeature's details mean.
func eventOf(name string, details of.TrackingEventDetails) core.Event {
	e := core.Event{Action: name, Value: details.Value(), Fields: details.Attributes()}
	delete(e.Fields, "experiment")
	for field, to := range map[string]*string{"label": &e.Label, "property": &e.Property} {
		if text, ok := e.Fields[field].(string); ok {
			*to = text
			delete(e.Fields, field)
		}
	}
	if len(e.Fields) == 0 {
		e.Fields = nil
	}
	return e
}
