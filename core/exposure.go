package core

import (
	"context"
	"fmt"
)

// TrackAssignment sends the assignment event of a decision that was made
// without the core, by code that asks the flag system itself. Hooks of flag
// systems call it. name is the full name; it need not be defined on c.
// The event's source and origin are resolved, and its ID is that of the same
// assignment made by the core, so that consumers count it once.
//
// Nothing is asked of the store and nothing kept. Nothing is sent, and the
// error is nil, if d is Off or Outside or u is an anonymous visitor, if the
// [Scope] of ctx is silent, and if the event was sent in it before. It is an
// error if the name is not allowed, u has a fault, d draws by Choose or breaks
// another rule of [Rollout], or the tracker fails. An experiment that is not
// defined may have any variant of a legal name, and [AnyVariant] is [Candidate].
func (c *Client) TrackAssignment(ctx context.Context, name string, u Unit, d Decision) error {
	if !legalName(name) {
		return fmt.Errorf("core: %q is no name of an experiment", name)
	}
	s := c.lookup(name)
	if s == nil {
		s = &experiment{client: c, name: name, variants: []string{Control, Candidate}}
		if legalVariant(d.Variant) {
			s.variants[1] = d.Variant
		}
	}
	if d.Choose != nil {
		return fmt.Errorf("core: experiment %s: a decision that is yet to be drawn was not made", name)
	}
	if d.State == Off || d.Outside {
		return nil
	}
	var id identity
	switch err := c.keys.identify(name, &u, &id); {
	case err != nil:
		return s.wrap(err)
	case id.key == "":
		return nil
	}
	if err := s.checked(&d, &id); err != nil {
		return s.wrap(err)
	}
	a := Assignment{Experiment: name, Key: id.key, MigrationKeys: id.older, Variant: d.Variant, State: d.State,
		Reason: d.Reason, Source: SourceResolved, Origin: SourceResolved, Tracked: true}
	if scope := scopeOf(ctx); scope != nil && (scope.Silent() || !scope.first(c, &a)) {
		return nil
	}
	return s.emit(ctx, &a, Event{Action: ActionAssignment})
}
