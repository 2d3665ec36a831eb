package core

import "context"

// An AnyTrial is a [Trial], whatever its types, for [Preload] and for code that
// has attributes in place of a subject, such as an OpenFeature provider.
type AnyTrial interface {
	Assign(ctx context.Context) Assignment
	Publish(ctx context.Context) Assignment
	Track(ctx context.Context, ev Event) error

	// RunAny is Trial.Run with the behaviour's value in an any.
	RunAny(ctx context.Context) (any, error)

	// identified returns the experiment and who the unit is; no key says that there is none.
	identified(ctx context.Context, scope *scoped) (*experiment, identity)
}

// A Bound is an experiment with a way to make its subjects from attributes. It
// is safe for many goroutines.
type Bound struct {
	*experiment
	trial func(attrs map[string]any, onlyAssigned bool) (AnyTrial, error)
}

// Bind makes a typed experiment reachable by name, through [Client.Bound], for
// code that has only attributes. subject makes a subject of them; its error, and
// its panic as one, is returned to whoever asked. A later Bind of the same
// experiment replaces an earlier one.
func Bind[S, R any](e *Experiment[S, R], subject func(attrs map[string]any) (S, error)) *Bound {
	made := func(attrs map[string]any) (s S, err error) {
		defer e.catch(context.Background(), "making the subject", "", &err)
		return subject(attrs)
	}
	b := &Bound{experiment: e.experiment, trial: func(attrs map[string]any, onlyAssigned bool) (AnyTrial, error) {
		s, err := made(attrs)
		if err != nil {
			return nil, e.wrap(err)
		}
		t := e.For(s)
		t.onlyAssigned = onlyAssigned
		return t, nil
	}}
	c := e.client
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bound[e.name] = b
	return b
}

// Bound returns the bound experiment of that full name.
func (c *Client) Bound(name string) (*Bound, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	b, ok := c.bound[name]
	return b, ok
}

// Rollout returns the rollout that decides the experiment.
func (b *Bound) Rollout() Rollout { return b.rollout }

// For returns a trial of the subject that attrs make. An error says that they
// make none.
func (b *Bound) For(attrs map[string]any) (AnyTrial, error) { return b.trial(attrs, false) }

// ForAssigned is For with [Trial.OnlyAssigned]: the trial enrols nobody.
func (b *Bound) ForAssigned(attrs map[string]any) (AnyTrial, error) { return b.trial(attrs, true) }

// RunAny is Run for callers that don't know R.
func (t *Trial[S, R]) RunAny(ctx context.Context) (any, error) { return t.Run(ctx) }

func (t *Trial[S, R]) identified(ctx context.Context, scope *scoped) (*experiment, identity) {
	var id identity
	if t.exp.fault != nil || t.identify(ctx, t.ask, scope, true, &id) != nil {
		return t.exp, identity{}
	}
	return t.exp, id
}
