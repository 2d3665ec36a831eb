package launchdarkly

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/launchdarkly/go-sdk-common/v3/ldcontext"
	"github.com/launchdarkly/go-sdk-common/v3/ldvalue"
	ld "github.com/launchdarkly/go-server-sdk/v7"

	"github.com/rolloutkit/rolloutkit/core"
)

var _ core.Tracker = (*Tracker)(nil)

// A Tracker sends the core's events to LaunchDarkly as custom events, so that
// they can be metrics there. It is safe for many goroutines.
//
// An app's own event carries its Value as the metric value, 0 included; the
// assignment event carries none. The whole event, as JSON, is the data of both.
// Events are queued by the SDK: whoever made the client flushes or closes it
// before the program ends. The SDK drops events without a word when it is
// offline, closed, made with NoEvents, or its queue is full.
type Tracker struct {
	client *ld.LDClient
	o      Options
	units  contextBuilder
	fault  error
}

// NewTracker returns a tracker over the team's own client. It takes the same
// options as [New]; nil is fine. What is wrong with them is an error of every
// Track.
func NewTracker(client *ld.LDClient, o *Options) *Tracker {
	r := New(client, o)
	t := &Tracker{client: r.client, o: r.o, units: r.units, fault: r.fault}
	if t.o.KeyTrait != "" && t.o.EventContext == nil {
		t.fault = errors.Join(t.fault, errors.New(
			"launchdarkly: Options.KeyTrait needs EventContext, since an event does not know the unit's traits"))
	}
	return t
}

// Track hands the event to the SDK and does no I/O. Under ExposureLaunchDarkly
// it drops assignment events.
func (t *Tracker) Track(ctx context.Context, e core.Event) error {
	if t.fault != nil {
		return t.fault
	}
	assignment := e.Action == core.ActionAssignment
	if assignment && t.o.Exposure == ExposureLaunchDarkly {
		return nil
	}
	key := e.Action
	if t.o.EventKey != nil {
		if key = t.o.EventKey(e); key == "" {
			return nil
		}
	}
	unit, err := t.context(ctx, e)
	if err != nil {
		return fmt.Errorf("launchdarkly: the context of event %q: %w", key, err)
	}
	text, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("launchdarkly: event %q: %w", key, err)
	}
	data := ldvalue.Parse(text)
	if assignment {
		return t.client.TrackDataCtx(ctx, key, unit, data)
	}
	return t.client.TrackMetricCtx(ctx, key, unit, e.Value, data)
}

// context returns the context to which LaunchDarkly counts the event. It is
// looked at here, because the SDK takes events of an invalid one and drops them.
func (t *Tracker) context(ctx context.Context, e core.Event) (ldcontext.Context, error) {
	if t.o.EventContext == nil {
		return t.units.context(evaluatedKey(e), nil)
	}
	unit, err := t.o.EventContext(ctx, e)
	if err == nil {
		err = unit.Err()
	}
	return unit, err
}

// evaluatedKey returns the key that the rollout was asked about: the unit's
// oldest, while the event's own is its newest.
func evaluatedKey(e core.Event) string {
	if n := len(e.MigrationKeys); n > 0 {
		return e.MigrationKeys[n-1]
	}
	return e.Key
}
