package unleash_test

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
	"github.com/rolloutkit/rolloutkit/providers/unleash"
)

var ctx = context.Background()

func TestUnknownNames(t *testing.T) {
	s := offline(t, enabled(share100(variants("green=1", ""))), unleash.Options{})
	_, err := ask(t, s, "x", "alice", "control", "red")
	require.ErrorIs(t, err, core.ErrUnknownVariant)
	require.ErrorContains(t, err, `toggle "x": unknown variant "green"; the experiment has ["control" "red"]`)
	_, err = ask(t, s, "y", "alice")
	require.ErrorIs(t, err, core.ErrFlagNotFound)
	require.ErrorContains(t, err, `toggle "y"`)
	s.load(t, "")
	require.ErrorIs(t, failure(t, s), core.ErrFlagNotFound, "the server answered, and there is no toggle any more")
}

// spy is a strategy of the app that looks at the context.
type spy func(*ucontext.Context)

func (spy) Name() string { return "spy" }

func (f spy) IsEnabled(_ map[string]any, c *ucontext.Context) bool {
	f(c)
	return true
}

func TestContext(t *testing.T) {
	traits := []core.Attr{core.String("plan", "gold"), core.Int("age", 7), core.Bool("staff", true),
		core.String("remoteAddress", "::1"), core.String("appName", "app"), core.String("environment", "test"),
		core.String("currentTime", "2026-01-02T03:04:05Z")}
	own := func(r core.Request, c ucontext.Context) ucontext.Context {
		c.SessionId, c.RemoteAddress = r.Experiment, "::1"
		return c
	}
	for name, c := range map[string]struct {
		change func(core.Request, ucontext.Context) ucontext.Context
		traits []core.Attr
		want   ucontext.Context
		err    string
	}{
		"the key and nothing else": {want: ucontext.Context{UserId: "k", SessionId: "k", AppName: "rolloutkit", Environment: "default"}},
		"traits": {traits: traits, want: ucontext.Context{
			UserId: "k", SessionId: "k", RemoteAddress: "::1", AppName: "app", Environment: "test", CurrentTime: "2026-01-02T03:04:05Z",
			Properties: map[string]string{"plan": "gold", "age": "7", "staff": "true"},
		}},
		"the app's own": {change: own, want: ucontext.Context{UserId: "k", SessionId: "x", RemoteAddress: "::1", AppName: "rolloutkit", Environment: "default"}},
		"userId":        {traits: []core.Attr{core.String("userId", "7")}, err: `the trait "userId" can't be passed on`},
		"sessionId":     {traits: []core.Attr{core.String("sessionId", "7")}, err: `the trait "sessionId" can't be passed on`},
	} {
		t.Run(name, func(t *testing.T) {
			var seen ucontext.Context
			s := offline(t, enabled(strategy("spy", "")), unleash.Options{Strategies: []string{"spy"}, Context: c.change},
				uc.WithStrategies(spy(func(c *ucontext.Context) { seen = *c })))
			_, err := s.Resolve(ctx, core.Request{Experiment: "x", Key: "k", Variants: []string{"control", "candidate"}, Traits: c.traits})
			if c.err != "" {
				require.ErrorContains(t, err, c.err)
				require.ErrorContains(t, err, "Options.Context")
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, seen)
		})
	}
}

// If an answer still does not fit the definition it is an error, never an Off
// for a unit that Unleash selects.
func TestAnswersThatDoNotFit(t *testing.T) {
	s := offline(t, enabled(strategy("spy", "")), unleash.Options{}, uc.WithStrategies(spy(func(*ucontext.Context) {})))
	require.ErrorContains(t, failure(t, s), "Unleash selects a unit, but the answer does not fit the definition (off)")
	require.ErrorContains(t, failure(t, s), "Options.Strategies")
}

// A toggle is changed without pause while it is evaluated. No decision mixes the
// state of one definition with the variant of the other, and -race sees to the
// rest.
func TestSnapshot(t *testing.T) {
	off := `{"name":"x","enabled":false}`
	s, f := over(t, off, unleash.Options{}, uc.WithRefreshInterval(time.Millisecond))
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
				d, err := ask(t, s, "x", "alice", "control", "red", "blue")
				mu.Lock()
				seen[fmt.Sprint(text(d), err)]++
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
		for want, toggle := range map[string]string{
			"on red<nil>": enabled(share100(variants("red=1", ""))), "off<nil>": off, "on blue<nil>": enabled(share100(variants("blue=1", ""))),
		} {
			before := times(want)
			f.set(t, toggle, "")
			eventually(t, func() bool { return times(want) > before })
		}
	}
	close(done)
	group.Wait()
	require.Len(t, seen, 3)
}

// What Unleash draws anew every time is an error, unless it is asked for, and
// then it is left to Choose.
func TestRandomToggles(t *testing.T) {
	dropKey := func(_ core.Request, c ucontext.Context) ucontext.Context {
		c.UserId, c.SessionId = "", ""
		return c
	}
	for _, c := range []struct {
		name, toggle, lacks string
		context             func(core.Request, ucontext.Context) ucontext.Context
	}{
		{"stickiness", enabled(share("50", "random", variants("red=1", ""))), "random", nil},
		{"variants", enabled(share100(variants(mixed, "random"))), "random", nil},
		{"a property that the unit lacks", enabled(share100(variants(mixed, "company"))), "company", nil},
		{"a context without the key", enabled(share100(variants(mixed, "default"))), "userId", dropKey},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.ErrorContains(t, failure(t, offline(t, c.toggle, unleash.Options{Context: c.context})), fmt.Sprintf("sticky on %q", c.lacks))
			s := offline(t, c.toggle, unleash.Options{Context: c.context, AllowRandom: true})
			require.Equal(t, "conditional, drawn: control red", outcomes(t, s, "control", "red"))

			names := []string{"control", "red"}
			d, err := ask(t, s, "x", "alice", names...)
			require.NoError(t, err)
			clear(names) // the request is not kept
			_, err = d.Choose(ctx)
			require.NoError(t, err)
		})
	}
	t.Run("off", func(t *testing.T) {
		s := offline(t, enabled(share("50", "random", variants("control=1", ""))), unleash.Options{})
		require.Equal(t, "off", gets(t, s, "x", "alice"), "control for some and control for others")
	})
}

// The key is what Unleash hashes on, or a property that the unit has, so one
// unit gets one answer, from every client.
func TestStickiness(t *testing.T) {
	for _, field := range []string{"default", "company"} {
		t.Run(field, func(t *testing.T) {
			toggle := enabled(share50(variants("red=333 blue=333 green=334", field)))
			one, other := offline(t, toggle, unleash.Options{}), offline(t, toggle, unleash.Options{})
			for i := range 100 {
				q := core.Request{Experiment: "x", Key: fmt.Sprint("unit ", i), Variants: []string{"control", "red", "blue", "green"},
					Traits: []core.Attr{core.String("company", fmt.Sprint("company ", i))}}
				first, err := one.Resolve(ctx, q)
				require.NoError(t, err)
				for _, s := range []*system{one, other} {
					d, err := s.Resolve(ctx, q)
					require.NoError(t, err)
					require.Equal(t, first, d)
				}
			}
		})
	}
}

// Parents are not part of the pinned definition. An answer that does not fit it
// is asked for once more, by the newest definitions.
func TestParentsMove(t *testing.T) {
	f := newFake(t, parent("", share100()))
	client, _ := newClient(t, f.URL)
	r := unleash.New(client, &unleash.Options{Refresh: time.Hour})
	client.WaitForReady()
	require.Equal(t, "on *", gets(t, r, "x", "alice"))
	f.set(t, child("")+`,{"name":"p"}`, "")
	eventually(t, func() bool { return !client.IsEnabled("p") })
	require.Equal(t, "off", gets(t, r, "x", "alice"), "a control under a state of on would be an error")
}
