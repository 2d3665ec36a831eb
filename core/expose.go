package core

import (
	"context"
	"fmt"
)

// An Exposed is an experiment for code that has only attributes, such as an
// OpenFeature provider. It is safe for many goroutines.
type Exposed struct {
	*spec
	trial func(attrs map[string]any) (exposedTrial, error)
}

type exposedTrial interface {
	Assign(ctx context.Context) Assignment
	Publish(ctx context.Context) Assignment
	Track(ctx context.Context, ev Event) error
	run(ctx context.Context) (any, error)
	close()
}

// Expose makes a typed experiment reachable by name, through [Client.Exposed],
// for code that has only attributes. subject makes a subject of them; its error
// is returned to whoever asked. A later Expose of the same experiment replaces
// an earlier one.
func Expose[S, R any](e *Experiment[S, R], subject func(attrs map[string]any) (S, error)) *Exposed {
	x := &Exposed{spec: e.spec, trial: func(attrs map[string]any) (t exposedTrial, err error) {
		defer func() {
			if p := recover(); p != nil {
				e.panicked(context.Background(), "subject", "", p)
				t, err = nil, fmt.Errorf("core: experiment %s: making the subject panicked: %s", e.name, panicText(p))
			}
		}()
		s, err := subject(attrs)
		if err != nil {
			return nil, fmt.Errorf("core: experiment %s: %w", e.name, err)
		}
		return e.For(s), nil
	}}
	c := e.client
	c.mu.Lock()
	defer c.mu.Unlock()
	c.exposed[e.name] = x
	return x
}

// Exposed returns the exposed experiment of that full name.
func (c *Client) Exposed(name string) (*Exposed, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	x, ok := c.exposed[name]
	return x, ok
}

// Rollout returns the rollout that decides the experiment.
func (x *Exposed) Rollout() Rollout { return x.rollout }

// Assign is [Experiment.Assign]. An error says that the attributes make no
// subject.
func (x *Exposed) Assign(ctx context.Context, attrs map[string]any) (Assignment, error) {
	t, err := x.trial(attrs)
	if err != nil {
		return Assignment{}, err
	}
	return t.Assign(ctx), nil
}

// Publish is [Experiment.Publish].
func (x *Exposed) Publish(ctx context.Context, attrs map[string]any) (Assignment, error) {
	t, err := x.trial(attrs)
	if err != nil {
		return Assignment{}, err
	}
	return t.Publish(ctx), nil
}

// Run is [Experiment.Run], with the assignment. An error is the behaviour's, or
// says that the attributes make no subject.
func (x *Exposed) Run(ctx context.Context, attrs map[string]any) (any, Assignment, error) {
	t, err := x.trial(attrs)
	if err != nil {
		return nil, Assignment{}, err
	}
	value, err := t.run(ctx)
	return value, t.Assign(ctx), err
}

// Track is [Experiment.Track].
func (x *Exposed) Track(ctx context.Context, attrs map[string]any, ev Event) error {
	t, err := x.trial(attrs)
	if err != nil {
		return err
	}
	return t.Track(ctx, ev)
}

// TrackAssigned is Track for units that are in the experiment already: it
// enrols nobody, and sends nothing for a unit that has no stored assignment.
func (x *Exposed) TrackAssigned(ctx context.Context, attrs map[string]any, ev Event) error {
	t, err := x.trial(attrs)
	if err != nil {
		return err
	}
	t.close()
	return t.Track(ctx, ev)
}

// close is OnlyAssigned for callers that don't know S and R.
func (t *Trial[S, R]) close() { t.OnlyAssigned() }

// run is Run for callers that don't know R.
func (t *Trial[S, R]) run(ctx context.Context) (any, error) { return t.Run(ctx) }
