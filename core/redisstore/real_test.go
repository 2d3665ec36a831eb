package redisstore_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/redisstore"
	"github.com/rolloutkit/rolloutkit/internal/servers/redistest"
)

var secret = []byte(strings.Repeat("s", 32))

var colors = []string{core.Control, "red", "blue"}

// dice draws anew each time, as percent.Random does.
var dice = core.RolloutFunc(func(context.Context, core.Request) (core.Decision, error) {
	return core.Decision{State: core.Conditional, Choose: func(context.Context) (string, error) {
		return colors[rand.N(len(colors))], nil
	}}, nil
})

// define returns the experiment of all processes.
func define(t *testing.T, store core.Store, rollout core.Rollout) *core.Experiment[string, string] {
	t.Helper()
	client, err := core.New(core.Config{Store: store, KeySecret: secret, Rollout: rollout, NamePrefix: "shop",
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	require.NoError(t, err)
	e, err := core.Define(client, core.Definition[string, string]{
		Name: "pill_color", Unit: func(id string) core.Unit { return core.Actor(id) },
		Control:  core.Variant[string, string]{Value: core.Control},
		Variants: []core.Variant[string, string]{{Name: "red", Value: "red"}, {Name: "blue", Value: "blue"}},
	})
	require.NoError(t, err)
	return e
}

const (
	raceEnv       = "ROLLOUTKIT_REDISSTORE_RACE"
	raceProcesses = 8
	raceUnits     = 2000
)

// TestRaceOfProcesses lets processes assign the same units at the same time by
// a rollout that draws at random. A second run does it as most programs do, by
// a read and then a write, and shows what that is worth.
func TestRaceOfProcesses(t *testing.T) {
	if text := os.Getenv(raceEnv); text != "" {
		race(t, text)
		return
	}
	server := redistest.Start(t)
	ours := disagreements(t, "store "+server.Addr)
	naive := disagreements(t, "naive "+server.Addr)
	t.Logf("%d processes, %d units, random rollout: %d disagreements; read-then-write: %d", raceProcesses, raceUnits, ours, naive)
	require.Zero(t, ours)
	require.Positive(t, naive, "the race is none")
}

// disagreements returns the number of units that not all processes gave the
// same variant.
func disagreements(t *testing.T, how string) int {
	t.Helper()
	var inputs []io.WriteCloser
	var outputs []*bufio.Scanner
	for range raceProcesses {
		cmd := exec.Command(os.Args[0], "-test.run=^TestRaceOfProcesses$", "-test.timeout=120s")
		cmd.Env = append(os.Environ(), raceEnv+"="+how)
		in, err := cmd.StdinPipe()
		require.NoError(t, err)
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		t.Cleanup(func() { _ = cmd.Wait() })
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 1<<20)
		inputs, outputs = append(inputs, in), append(outputs, lines)
	}
	next := func(p int, mark string) string {
		for outputs[p].Scan() {
			if rest, ok := strings.CutPrefix(outputs[p].Text(), mark); ok {
				return rest
			}
		}
		t.Fatalf("process %d ended before it said %q", p, mark)
		return ""
	}
	for p := range raceProcesses {
		next(p, "ready")
	}
	for _, in := range inputs {
		fmt.Fprintln(in, "go")
	}
	differ := make(map[int]bool)
	var first []string
	for p := range raceProcesses {
		var got []string
		require.NoError(t, json.Unmarshal([]byte(next(p, "got ")), &got))
		require.Len(t, got, raceUnits)
		if first == nil {
			first = got
		}
		for u := range got {
			if got[u] != first[u] {
				differ[u] = true
			}
		}
	}
	for p, in := range inputs {
		require.NoError(t, in.Close())
		for outputs[p].Scan() { // the rest
		}
	}
	return len(differ)
}

// race is one of the processes.
func race(t *testing.T, text string) {
	how, addr, _ := strings.Cut(text, " ")
	client := redis.NewClient(&redis.Options{Addr: addr})
	defer client.Close()
	o := quiet()
	store := redisstore.New(client, o)
	defer store.Close()
	e := define(t, store, dice)
	require.NoError(t, client.Ping(ctx).Err())
	fmt.Println("\nready")
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		return
	}
	got := make([]string, raceUnits)
	for u := range got {
		id := fmt.Sprint("user-", u)
		if how == "store" {
			a := e.Assign(ctx, id)
			require.NoError(t, a.Err)
			got[u] = a.Variant
			continue
		}
		variant, err := client.HGet(ctx, "naive", id).Result()
		if err == redis.Nil {
			variant = colors[rand.N(len(colors))]
			err = client.HSet(ctx, "naive", id, variant).Err()
		}
		require.NoError(t, err)
		got[u] = variant
	}
	out, err := json.Marshal(got)
	require.NoError(t, err)
	fmt.Printf("\ngot %s\n", out)
}

// A load runs Assign for many units from some callers and looks at the answers.
type load struct {
	t       *testing.T
	e       *core.Experiment[string, string]
	store   *redisstore.Store
	units   int
	want    []string // per unit, from before anything happened
	changed atomic.Int64
	broken  atomic.Int64 // without a usable answer
	mu      sync.Mutex
	took    []time.Duration
}

const loadCallers = 16

// newLoad assigns all units with all the time that it takes, and returns a load
// on another store, which has the budget of a program.
func newLoad(t *testing.T, client redis.UniversalClient, o *redisstore.Options, units int) *load {
	t.Helper()
	patient := redisstore.New(client, o)
	l := &load{t: t, units: units, want: make([]string, units)}
	e := define(t, patient, core.Even)
	errs := make([]error, units)
	l.each(func(u int) {
		a := e.Assign(ctx, fmt.Sprint("user-", u))
		l.want[u], errs[u] = a.Variant, a.Err
	})
	require.NoError(t, errors.Join(errs...))
	require.NoError(t, patient.Close())
	hasty := *o
	hasty.Budget = 0
	l.store = redisstore.New(client, &hasty)
	t.Cleanup(func() { require.NoError(t, l.store.Close()) })
	l.e = define(t, l.store, core.Even)
	return l
}

// each calls fn for all units from several callers.
func (l *load) each(fn func(u int)) { callers(loadCallers, l.units, func(i int) { fn(i - 1) }) }

// pass assigns every unit once, known and new ones in turn.
func (l *load) pass() {
	l.each(func(u int) { l.one(u) })
}

func (l *load) one(u int) {
	began := time.Now()
	value, err := l.e.Run(ctx, fmt.Sprint("user-", u))
	took := time.Since(began)
	if err != nil || !slices.Contains(colors, value) {
		l.broken.Add(1)
	}
	if value != l.want[u] {
		l.changed.Add(1)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.took = append(l.took, took)
}

// report prints the times since the last report.
func (l *load) report(what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	slices.Sort(l.took)
	slow := 0
	for _, d := range l.took {
		if d > 20*time.Millisecond {
			slow++
		}
	}
	n := len(l.took)
	l.t.Logf("%s: %d calls, median %v, p99 %v, slowest %v, %d over 20 ms", what, n, l.took[n/2], l.took[n*99/100], l.took[n-1], slow)
	l.took = nil
}

// TestFailureMatrix disturbs a server in every way there is while a program
// assigns units. Nobody sees an error, nobody changes variant, and what an
// outage costs is counted; times are printed, not judged.
func TestFailureMatrix(t *testing.T) {
	const units = 15_000 // for each of seven
	for _, fault := range []struct {
		name         string
		answers      bool // all the same
		sicken, heal func(s *redistest.Server, p *redistest.Proxy, c *redis.Client)
	}{
		{"killed", false, func(s *redistest.Server, _ *redistest.Proxy, _ *redis.Client) { s.Kill() },
			func(s *redistest.Server, _ *redistest.Proxy, _ *redis.Client) { s.Restart() }},
		{"stopped", false, func(s *redistest.Server, _ *redistest.Proxy, _ *redis.Client) { s.Stop() },
			func(s *redistest.Server, _ *redistest.Proxy, _ *redis.Client) { s.Cont() }},
		{"black hole", false, func(_ *redistest.Server, p *redistest.Proxy, _ *redis.Client) { p.BlackHole() },
			func(_ *redistest.Server, p *redistest.Proxy, _ *redis.Client) { p.Pass() }},
		{"reset", false, func(_ *redistest.Server, p *redistest.Proxy, _ *redis.Client) { p.Reset() },
			func(_ *redistest.Server, p *redistest.Proxy, _ *redis.Client) { p.Pass() }},
		{"full", true, func(_ *redistest.Server, _ *redistest.Proxy, c *redis.Client) { c.ConfigSet(ctx, "maxmemory", "1") },
			func(_ *redistest.Server, _ *redistest.Proxy, c *redis.Client) { c.ConfigSet(ctx, "maxmemory", "0") }},
		{"read-only", true, func(_ *redistest.Server, _ *redistest.Proxy, c *redis.Client) { c.ReplicaOf(ctx, "127.0.0.1", "1") },
			func(_ *redistest.Server, _ *redistest.Proxy, c *redis.Client) { c.ReplicaOf(ctx, "NO", "ONE") }},
		{"wrong type", true, func(_ *redistest.Server, _ *redistest.Proxy, c *redis.Client) { wrongTypes(t, c, true) },
			func(_ *redistest.Server, _ *redistest.Proxy, c *redis.Client) { wrongTypes(t, c, false) }},
	} {
		t.Run(fault.name, func(t *testing.T) {
			server := redistest.Start(t)
			proxy := redistest.NewProxy(t, server.Addr)
			client := redis.NewClient(&redis.Options{Addr: proxy.Addr})
			t.Cleanup(func() { _ = client.Close() })
			o := quiet()
			o.CacheSize = -1 // the last known answers would hide what this is about
			l := newLoad(t, client, o, units)
			store := l.store
			l.pass()
			l.report("before")

			// Half of the units are new to the store while it is sick.
			require.NoError(t, server.Client().FlushAll(ctx).Err())
			callers(loadCallers, units/2, func(i int) { l.one(2 * (i - 1)) })
			l.took = nil
			eventually(t, "the store is well", func() bool { return store.Stats().Open == 0 }) // whatever else the machine does
			before := store.Stats()
			fault.sicken(server, proxy, server.Client())
			l.pass()
			during := store.Stats()
			l.report("during")
			t.Logf("timeouts %d, circuits opened %d, not asked %d, failures %d, unreadable %d", during.Timeouts-before.Timeouts,
				during.Opened-before.Opened, during.Rejected-before.Rejected, during.Failures-before.Failures, during.Unreadable-before.Unreadable)
			most := uint64(2 * (3 + loadCallers))
			if fault.answers { // then a busy machine opens circuits, and they close again
				most *= 1 + during.Opened - before.Opened
			}
			require.LessOrEqual(t, during.Timeouts-before.Timeouts, most, "three calls and those in flight, for reads and for writes")

			fault.heal(server, proxy, server.Client())
			healed := time.Now()
			eventually(t, "the store is back", func() bool {
				_, _, _, err := store.Load(ctx, "shop_pill_color", key(1), nil)
				return err == nil && store.Stats().Open == 0
			})
			t.Logf("back after %v", time.Since(healed))
			l.took = nil
			l.pass()
			l.report("after")
			require.Zero(t, l.broken.Load())
			require.Zero(t, l.changed.Load())
		})
	}
}

// wrongTypes makes every bucket a text, or removes those.
func wrongTypes(t *testing.T, c *redis.Client, sick bool) {
	t.Helper()
	const script = `for i = 0, 32767 do local key = string.format('rk:shop_pill_color:15:%04x', i)
		if ARGV[1] == '1' then redis.call('SET', key, 'x') else redis.call('DEL', key) end end`
	arg := "0"
	if sick {
		arg = "1"
	}
	require.ErrorIs(t, c.Eval(ctx, script, nil, arg).Err(), redis.Nil)
}

// TestFlapping lets a server come and go.
func TestFlapping(t *testing.T) {
	server := redistest.Start(t)
	proxy := redistest.NewProxy(t, server.Addr)
	client := redis.NewClient(&redis.Options{Addr: proxy.Addr})
	t.Cleanup(func() { _ = client.Close() })
	l := newLoad(t, client, quiet(), 10_000)
	store := l.store
	stop := make(chan struct{})
	var flaps sync.WaitGroup
	flaps.Go(func() {
		for i := 0; ; i++ {
			[]func(){proxy.BlackHole, proxy.Pass, server.Stop, server.Cont, proxy.Reset, proxy.Pass}[i%6]()
			select {
			case <-stop:
				proxy.Pass()
				server.Cont()
				return
			case <-time.After(400 * time.Millisecond):
			}
		}
	})
	for began := time.Now(); time.Since(began) < 5*time.Second; {
		l.pass()
	}
	close(stop)
	flaps.Wait()
	l.report("flapping")
	t.Logf("%+v", store.Stats())
	eventually(t, "the store is back", func() bool {
		return store.Save(ctx, experiment, key(1), resolved("red")) == nil && store.Stats().Open == 0
	})
	require.Zero(t, l.broken.Load())
	require.Zero(t, l.changed.Load())
}

// callers runs fn total times from n goroutines and returns how long it took.
func callers(n, total int, fn func(i int)) time.Duration {
	var next atomic.Int64
	var wg sync.WaitGroup
	began := time.Now()
	for range n {
		wg.Go(func() {
			for {
				i := int(next.Add(1))
				if i > total {
					return
				}
				fn(i)
			}
		})
	}
	wg.Wait()
	return time.Since(began)
}
