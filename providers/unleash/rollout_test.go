package unleash

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	uc "github.com/Unleash/unleash-client-go/v4"
	ucontext "github.com/Unleash/unleash-client-go/v4/context"

	"github.com/rolloutkit/rolloutkit/core"
)

func TestDecisions(t *testing.T) {
	forAlice := constraint("userId", "IN", "alice")
	for _, c := range []struct {
		name    string
		toggle  string
		opts    *Options
		alice   string // as decisionText writes it
		bob     string
		variant []string // of the experiment
	}{
		{"off", `{"name":"x","enabled":false}`, nil, "off", "off", nil},
		{"nobody", enabled(strategy("flexibleRollout", "rollout=0 stickiness=default")), nil, "off", "off", nil},
		{"unselected", enabled(strategy("default", "", forAlice)), nil, "conditional *", "conditional control", nil},
		{"selected, named", enabled(share100(forAlice, variants("red=1", ""))), nil, "conditional red", "conditional control", []string{"control", "red"}},
		{"all, unnamed", enabled(), nil, "on *", "on *", nil},
		{"all, unnamed, several variants", enabled(), nil, "conditional *", "conditional *", []string{"control", "red", "blue"}},
		{"all, named", enabled(share100(variants("red=1", ""))), nil, "on red", "on red", []string{"control", "red", "blue"}},
		{"control for all", enabled(share100(variants("control=1", ""))), nil, "off", "off", nil},
		{"boolean", enabled(share100(forAlice, variants("red=1", ""))), &Options{Boolean: true}, "conditional *", "conditional control", nil},
		{"boolean for all", enabled(share100(variants("red=1 blue=1", ""))), &Options{Boolean: true}, "on *", "on *", nil},
		{"unselected outside", enabled(share100(forAlice, variants("red=1", ""))), &Options{UnselectedOutside: true},
			"conditional red", "conditional outside", []string{"control", "red"}},
		{"off is off, outside or not", `{"name":"x","enabled":false}`, &Options{UnselectedOutside: true}, "off", "off", nil},
		{"variants that weigh nothing", enabled(share100(forAlice, variants(weightless, ""))), nil, "conditional *", "conditional control", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := offline(t, "["+c.toggle+"]", c.opts)
			for key, want := range map[string]string{"alice": c.alice, "bob": c.bob} {
				d, err := ask(r, "x", key, c.variant...)
				require.NoError(t, err)
				require.Equal(t, want, decisionText(d), key)
				require.NotEmpty(t, d.Reason)
			}
		})
	}
}

// decisionText writes what the core reads of d.
func decisionText(d core.Decision) string {
	switch {
	case d.State == core.Off:
		return "off"
	case d.Outside:
		return d.State.String() + " outside"
	case d.Variant == "":
		return d.State.String() + " control"
	}
	return d.State.String() + " " + d.Variant
}

func TestUnknownToggle(t *testing.T) {
	r := offline(t, "["+enabled()+"]", nil)
	_, err := ask(r, "y", "alice")
	require.ErrorIs(t, err, core.ErrFlagNotFound)
	require.ErrorContains(t, err, `toggle "y"`)

	load(t, r.opts.Storage, "[]")
	_, err = ask(r, "x", "alice")
	require.ErrorIs(t, err, core.ErrFlagNotFound, "the server answered, and there is no toggle any more")
}

func TestUnknownVariant(t *testing.T) {
	r := offline(t, "["+enabled(share100(variants("green=1", "")))+"]", nil)
	_, err := ask(r, "x", "alice", "control", "red")
	require.ErrorIs(t, err, core.ErrUnknownVariant)
	require.ErrorContains(t, err, `toggle "x": unknown variant "green"; the experiment has ["control" "red"]`)
}

func TestContext(t *testing.T) {
	var seen ucontext.Context
	spy := strategyFunc(func(c *ucontext.Context) bool { seen = *c; return true })
	look := func(t *testing.T, opts Options, traits ...core.Attr) (ucontext.Context, error) {
		seen = ucontext.Context{}
		opts.Strategies = []string{"spy"}
		r := offline(t, "["+enabled(strategy("spy", ""))+"]", &opts, uc.WithStrategies(spy))
		_, err := r.Resolve(context.Background(), core.Request{
			Experiment: "x", Key: "k", Variants: []string{"control", "candidate"}, Traits: traits,
		})
		return seen, err
	}
	t.Run("the key and nothing else", func(t *testing.T) {
		c, err := look(t, Options{})
		require.NoError(t, err)
		require.Equal(t, ucontext.Context{UserId: "k", SessionId: "k", AppName: "rolloutkit", Environment: "default"}, c)
	})
	t.Run("traits", func(t *testing.T) {
		c, err := look(t, Options{}, core.String("plan", "gold"), core.Int("age", 7), core.Bool("staff", true),
			core.String("remoteAddress", "::1"), core.String("appName", "app"), core.String("environment", "test"),
			core.String("currentTime", "2026-01-02T03:04:05Z"))
		require.NoError(t, err)
		require.Equal(t, ucontext.Context{
			UserId: "k", SessionId: "k", RemoteAddress: "::1", AppName: "app", Environment: "test",
			CurrentTime: "2026-01-02T03:04:05Z",
			Properties:  map[string]string{"plan": "gold", "age": "7", "staff": "true"},
		}, c)
	})
	t.Run("traits that would take the key's place", func(t *testing.T) {
		for _, name := range []string{"userId", "sessionId"} {
			_, err := look(t, Options{}, core.String(name, "7"))
			require.ErrorContains(t, err, name)
			require.ErrorContains(t, err, "Options.Context")
		}
	})
	t.Run("the app's own", func(t *testing.T) {
		c, err := look(t, Options{Context: func(r core.Request, c ucontext.Context) ucontext.Context {
			c.SessionId, c.RemoteAddress = r.Experiment, "::1"
			return c
		}})
		require.NoError(t, err)
		require.Equal(t, "k", c.UserId)
		require.Equal(t, "x", c.SessionId)
		require.Equal(t, "::1", c.RemoteAddress)
	})
}

// strategyFunc is the strategy "spy".
type strategyFunc func(*ucontext.Context) bool

func (strategyFunc) Name() string { return "spy" }

func (f strategyFunc) IsEnabled(_ map[string]any, c *ucontext.Context) bool { return f(c) }

// TestSnapshot changes a toggle without pause while it is evaluated. No
// decision mixes the state of one definition with the variant of the other, and
// -race sees to the rest.
func TestSnapshot(t *testing.T) {
	offNow := `{"name":"x","enabled":false}`
	r, f := over(t, "["+offNow+"]", nil, uc.WithRefreshInterval(time.Millisecond))
	done := make(chan struct{})
	var group sync.WaitGroup
	var mu sync.Mutex
	seen := map[string]int{}
	for range 4 {
		group.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				d, err := ask(r, "x", "alice", "control", "red", "blue")
				mu.Lock()
				seen[fmt.Sprint(decisionText(d), err)]++
				mu.Unlock()
			}
		})
	}
	times := func(text string) int {
		mu.Lock()
		defer mu.Unlock()
		return seen[text]
	}
	for range 10 {
		for _, next := range []struct{ toggle, want string }{
			{enabled(share100(variants("red=1", ""))), "on red<nil>"},
			{offNow, "off<nil>"},
			{enabled(share100(variants("blue=1", ""))), "on blue<nil>"},
		} {
			before := times(next.want)
			f.set(t, "["+next.toggle+"]", "")
			eventually(t, func() bool { return times(next.want) > before })
		}
	}
	close(done)
	group.Wait()
	for text := range seen {
		require.Contains(t, []string{"off<nil>", "on red<nil>", "on blue<nil>"}, text)
	}
	require.Len(t, seen, 3)
}

// TestAnswersThatDoNotFit: if it still does not fit it is an error, never an Off
// for a unit that Unleash selects.
func TestAnswersThatDoNotFit(t *testing.T) {
	r := offline(t, "["+enabled(strategy("spy", ""))+"]", nil, uc.WithStrategies(
		strategyFunc(func(*ucontext.Context) bool { return true })))
	_, err := ask(r, "x", "alice")
	require.ErrorIs(t, err, errMoved)
	require.ErrorContains(t, err, "Options.Strategies")
	require.ErrorContains(t, err, "selects a unit")
}
