package unleash

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	ucontext "github.com/Unleash/unleash-client-go/v4/context"

	"github.com/rolloutkit/rolloutkit/core"
)

// TestRandomToggles: what Unleash draws anew every time is an error, unless it
// is asked for, and then it is left to Choose.
func TestRandomToggles(t *testing.T) {
	dropKey := func(_ core.Request, c ucontext.Context) ucontext.Context {
		c.UserId, c.SessionId = "", ""
		return c
	}
	for _, c := range []struct {
		name, toggle, lacks string
		context             func(core.Request, ucontext.Context) ucontext.Context
	}{
		{"stickiness", enabled(strategy("flexibleRollout", "rollout=50 stickiness=random groupId=g", variants("red=1", ""))), "random", nil},
		{"variants", enabled(share100(variants(mixed, "random"))), "random", nil},
		{"a property that the unit lacks", enabled(share100(variants(mixed, "company"))), "company", nil},
		{"a context without the key", enabled(share100(variants(mixed, "default"))), "userId", dropKey},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := offline(t, "["+c.toggle+"]", &Options{Context: c.context})
			_, err := ask(r, "x", "alice", "control", "red")
			require.ErrorContains(t, err, fmt.Sprintf("sticky on %q", c.lacks))

			r = offline(t, "["+c.toggle+"]", &Options{Context: c.context, AllowRandom: true})
			d, err := ask(r, "x", "alice", "control", "red")
			require.NoError(t, err)
			require.Equal(t, core.Conditional, d.State)
			require.NotNil(t, d.Choose)
			drawn := map[string]int{}
			for range 200 {
				name, err := d.Choose(t.Context())
				require.NoError(t, err)
				if name == "" {
					name = core.Control
				}
				drawn[name]++
			}
			require.Len(t, drawn, 2)
		})
	}
	t.Run("the unit has the property", func(t *testing.T) {
		r := offline(t, "["+enabled(share100(variants(mixed, "company")))+"]", nil)
		answers := map[string]bool{}
		for range 50 {
			d, err := r.Resolve(t.Context(), core.Request{Experiment: "x", Key: "k", Variants: []string{"control", "red"},
				Traits: []core.Attr{core.String("company", "c")}})
			require.NoError(t, err)
			answers[d.Variant] = true
		}
		require.Len(t, answers, 1)
	})
	t.Run("off", func(t *testing.T) {
		off := enabled(strategy("flexibleRollout", "rollout=50 stickiness=random groupId=g", variants("control=1", "")))
		d, err := ask(offline(t, "["+off+"]", nil), "x", "alice")
		require.NoError(t, err, "control for some and control for others")
		require.Equal(t, core.Off, d.State)
	})
	t.Run("the request is not kept", func(t *testing.T) {
		r := offline(t, "["+enabled(share100(variants(mixed, "random")))+"]", &Options{AllowRandom: true})
		names := []string{"control", "red"}
		d, err := ask(r, "x", "alice", names...)
		require.NoError(t, err)
		clear(names)
		_, err = d.Choose(t.Context())
		require.NoError(t, err)
	})
}

// TestStickiness: the key is what Unleash hashes on, so one unit gets one
// answer, from every client.
func TestStickiness(t *testing.T) {
	toggles := "[" + enabled(share50(variants("red=333 blue=333 green=334", "default"))) + "]"
	r, other := offline(t, toggles, nil), offline(t, toggles, nil)
	for i := range 200 {
		key := fmt.Sprint("unit ", i)
		first, err := ask(r, "x", key, "control", "red", "blue", "green")
		require.NoError(t, err)
		for _, r := range []*Rollout{r, other} {
			d, err := ask(r, "x", key, "control", "red", "blue", "green")
			require.NoError(t, err)
			require.Equal(t, decisionText(first), decisionText(d))
		}
	}
}
