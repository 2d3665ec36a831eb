package openfeature

import (
	"cmp"
	"context"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"
	"unicode/utf8"

	of "github.com/open-feature/go-sdk/openfeature"

	"github.com/rolloutkit/rolloutkit/core"
)

var (
	_ core.Rollout   = (*Rollout)(nil)
	_ core.Validator = (*Rollout)(nil)
	_ core.Describer = (*Rollout)(nil)
)

// A Rollout decides experiments by the flags of an OpenFeature provider. It is
// safe for many goroutines. It asks the client it was given, in that client's
// domain and API, and never shuts a provider down.
type Rollout struct {
	client  of.IClient
	o       Options
	marked  []of.Option // tells our Hook that the core records these evaluations
	memory  memory
	pending atomic.Int64 // evaluations under a timeout that have not returned
	fault   error        // of the arguments of New
}

// RolloutHint is a hook hint that is true for the evaluations of a [Rollout].
const RolloutHint = "rolloutkit.rollout"

var ownHints = of.NewHookHints(map[string]any{RolloutHint: true})

// New returns a rollout over the team's own client, whether or not a provider is
// set yet. nil options are fine. What is wrong with them is an error of every
// Resolve and of Validate, so that Define refuses the experiment.
func New(client of.IClient, o *Options) *Rollout {
	r := &Rollout{client: client, marked: []of.Option{of.WithHookHints(ownHints)}}
	if o != nil {
		r.o = *o
	}
	r.o.Field = cmp.Or(r.o.Field, DefaultField)
	r.o.StateKey = cmp.Or(r.o.StateKey, DefaultStateKey)
	r.fault = r.o.check(client)
	return r
}

// Resolve evaluates the experiment's flag once, with all hooks. The targeting
// key is the anonymous key, the attributes are the unit's traits; what the API,
// the client and the transaction context in ctx add to them is theirs. A provider
// that panics is an error, and so is one that exceeds Options.Timeout.
func (r *Rollout) Resolve(ctx context.Context, q core.Request) (d core.Decision, err error) {
	defer func() {
		if p := recover(); p != nil {
			d, err = core.Decision{}, panicked(p)
		}
	}()
	if r.fault != nil {
		return core.Decision{}, r.fault
	}
	about := question{flag: r.flag(q.Experiment), variants: q.Variants, stateKey: r.o.StateKey, kind: r.o.Kind}
	unit := evaluationContext(&q)
	var a answer
	if r.o.Timeout == 0 {
		r.evaluate(ctx, about.flag, unit, &a)
	} else {
		a = r.evaluateWithin(ctx, about.flag, unit)
	}
	err = r.memory.decide(&about, &a, &d)
	return d, err
}

func (r *Rollout) flag(experiment string) string {
	if r.o.Flag == nil {
		return experiment
	}
	return r.o.Flag(experiment)
}

// evaluationContext returns what OpenFeature may know of the unit.
func evaluationContext(q *core.Request) of.EvaluationContext {
	if len(q.Traits) == 0 {
		return of.NewEvaluationContext(q.Key, nil)
	}
	attributes := make(map[string]any, len(q.Traits))
	for _, t := range q.Traits {
		attributes[t.Name] = t.Value()
	}
	return of.NewEvaluationContext(q.Key, attributes)
}

// evaluate asks the client, once.
func (r *Rollout) evaluate(ctx context.Context, flag string, unit of.EvaluationContext, a *answer) {
	switch r.o.Kind {
	case BooleanFlags:
		details, err := r.client.BooleanValueDetails(ctx, flag, false, unit, r.marked...)
		a.set(&details.ResolutionDetail, booleanName(details.Value), err)
	case ObjectFlags:
		// Not nil, which memprovider takes for a value of another type.
		details, err := r.client.ObjectValueDetails(ctx, flag, map[string]any{}, unit, r.marked...)
		a.set(&details.ResolutionDetail, objectName(details.Value, r.o.Field), err)
	default:
		details, err := r.client.StringValueDetails(ctx, flag, "", unit, r.marked...)
		a.set(&details.ResolutionDetail, details.Value, err)
	}
	if a.err != nil || a.Variant == noProvider {
		a.state = r.client.State()
	}
}

// maxPending bounds the goroutines that a provider which never answers can hold.
const maxPending = 10_000

// evaluateWithin asks on another goroutine, and waits as long as Options.Timeout
// allows. That ctx is cancelled already is for the provider to look at: one that
// needs no I/O still answers.
func (r *Rollout) evaluateWithin(ctx context.Context, flag string, unit of.EvaluationContext) answer {
	if r.pending.Add(1) > maxPending {
		r.pending.Add(-1)
		return answer{err: fmt.Errorf("%d evaluations are still unanswered: %w", maxPending, context.DeadlineExceeded)}
	}
	ctx, cancel := context.WithTimeout(ctx, r.o.Timeout)
	defer cancel()
	answered := make(chan answer, 1)
	go func() {
		a := answer{err: fmt.Errorf("the provider ended its goroutine")}
		defer func() {
			if p := recover(); p != nil {
				a = answer{err: panicked(p)}
			}
			r.pending.Add(-1)
			answered <- a
		}()
		r.evaluate(ctx, flag, unit, &a)
	}()
	select {
	case a := <-answered:
		return a
	case <-time.After(r.o.Timeout):
		return answer{err: fmt.Errorf("the provider did not answer within %v: %w", r.o.Timeout, context.DeadlineExceeded)}
	}
}

// panicked returns the error for a panic of a provider or of a hook, with the
// stack, since nobody else will see that.
func panicked(p any) error {
	return fmt.Errorf("the OpenFeature provider or a hook panicked: %v\n%s", p, debug.Stack())
}

// Validate returns what is wrong with the arguments of New, and an error for an
// experiment whose flag has no legal key. It does not ask for the flag: nobody's
// change in the flag system shall keep a service from starting.
func (r *Rollout) Validate(experiment string, _ []string) error {
	if r.fault != nil {
		return r.fault
	}
	if key := r.flag(experiment); key == "" || !utf8.ValidString(key) {
		return fmt.Errorf("openfeature: Options.Flag gives %q for %s, which is no flag key", key, experiment)
	}
	return nil
}

// Describe tells the client's domain and the kind of flags. It lists no
// capabilities, since those are the provider's.
func (r *Rollout) Describe() core.Description {
	d := core.Description{Name: "openfeature"}
	if r.fault == nil {
		d.Detail = fmt.Sprintf("domain %q, %v flags", r.client.Metadata().Domain(), r.o.Kind)
	}
	return d
}
