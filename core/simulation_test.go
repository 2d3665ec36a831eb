package core_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/memstore"
	"github.com/rolloutkit/rolloutkit/internal/tracking"
)

// A person of the simulation: first a cookie, then an account, perhaps a second
// device, and excluded once converted.
type person struct {
	cookie, account string
	converted       bool
}

type simulation = core.Experiment[*person, string]

// simulate defines the experiment of one release of the app.
func simulate(t *testing.T, transient bool, store core.Store, rollout core.Rollout, tracker core.Tracker, secrets ...[]byte) *simulation {
	client, err := core.New(core.Config{Store: store, Rollout: rollout, Tracker: tracker, KeySecret: secrets[0], PreviousSecrets: secrets[1:]})
	require.NoError(t, err)
	return core.MustDefine(client, core.Definition[*person, string]{
		Name: "simulated", TransientControl: transient,
		Unit: func(p *person) core.Unit {
			if p.account == "" {
				return core.Actor(p.cookie)
			}
			return core.Actor(p.account).MigratedFrom(core.Actor(p.cookie))
		},
		Variants:   []core.Variant[*person, string]{{Name: core.Candidate}},
		Exclusions: []core.Rule[*person]{{Name: "converted", If: func(_ context.Context, p *person) bool { return p.converted }}},
	})
}

// crowdSize is n, or less under the race detector, which is slow and has nothing
// to find in what runs on one goroutine.
func crowdSize(n int) int {
	if core.RaceEnabled {
		return n / 20
	}
	return n
}

// TestAATestStaysEven lives through what biases experiments: converters become
// excluded, at another rate in each group; people sign in, come back on a second
// device with a fresh cookie, and secrets rotate while processes of both
// releases serve the same people. The variants do nothing, so the tracked
// split must stay even, and nobody may change variant.
func TestAATestStaysEven(t *testing.T) {
	people := crowdSize(20_000)
	rng := rand.New(rand.NewPCG(1, 2))
	store := memstore.New(nil)
	events := &tracking.Recorder{}
	old := simulate(t, false, store, core.Even, events, secrets[1])
	next := simulate(t, false, store, core.Even, events, secrets[0], secrets[1])
	days := [][]*simulation{{old}, {old}, {old, next}, {old, next}, {next}, {next}} // processes that run side by side

	crowd := make([]*person, people)
	for i := range crowd {
		crowd[i] = &person{cookie: fmt.Sprint("cookie:", i)}
	}
	first := make([]string, people)
	for day, processes := range days {
		events.Take()
		tracked := map[string]int{}
		for i, p := range crowd {
			visits := 0
			visit := func() core.Assignment {
				visits++
				return processes[rng.IntN(len(processes))].Publish(ctx, p)
			}
			if rng.Float64() < 0.2 && day > 0 {
				continue // not every day
			}
			a := visit()
			if first[i] == "" {
				first[i] = a.Variant
			}
			for a := a; visits < 4; a = visit() {
				if a.Variant != first[i] || !a.Tracked || a.Err != nil { // require is slow, and this runs often
					require.Failf(t, "flipped or left", "person %d on day %d: first %s, now %+v", i, day, first[i], a)
				}
				switch rng.IntN(6) {
				case 0:
					if p.account == "" {
						p.account = fmt.Sprint("user:", i)
					}
				case 1:
					if p.account != "" {
						// A second device: first an anonymous visit that belongs to
						// nobody yet, then the account again.
						p.cookie = fmt.Sprint("cookie:", i, ":", day, ":", visits)
					}
				case 2:
					if a.Variant == core.Candidate || rng.IntN(3) == 0 {
						p.converted = true
					}
				}
			}
			tracked[a.Variant]++
		}
		n := float64(tracked[core.Control] + tracked[core.Candidate])
		require.InDelta(t, n/2, tracked[core.Control], 4*math.Sqrt(n)/2, "day %d: %v", day, tracked)
		for _, e := range events.Take() {
			if e.Origin != core.SourceResolved {
				require.Fail(t, "an event of another origin", "%+v", e)
			}
		}
	}

	// A ramp after the rotation still reaches the open controls, and only them.
	all := core.RolloutFunc(func(context.Context, core.Request) (core.Decision, error) {
		return core.Decision{State: core.On, Variant: core.Candidate}, nil
	})
	ramped := simulate(t, false, store, all, events, secrets[0], secrets[1])
	moved := 0
	for i, p := range crowd {
		if p.account != "" {
			continue // the newest cookie decides for them, and closes their control
		}
		a := ramped.Assign(ctx, p)
		require.Equal(t, core.Candidate, a.Variant)
		require.Equal(t, first[i] == core.Control, a.Previous == core.Control)
		if a.Previous == core.Control {
			moved++
		}
	}
	require.Positive(t, moved)
}

// TestTransientControlsBiasTheSplit shows that the simulation
// can fail: with controls that are not kept, converters drop out of one group.
func TestTransientControlsBiasTheSplit(t *testing.T) {
	e := simulate(t, true, memstore.New(nil), core.Even, &tracking.Recorder{}, secret)
	tracked := map[string]int{}
	for i := range crowdSize(20_000) {
		p := &person{cookie: fmt.Sprint(i)}
		e.Assign(ctx, p)
		p.converted = i%3 == 0
		if a := e.Assign(ctx, p); a.Tracked {
			tracked[a.Variant]++
		}
	}
	n := float64(tracked[core.Control] + tracked[core.Candidate])
	require.Greater(t, math.Abs(float64(tracked[core.Control])-n/2), 4*math.Sqrt(n)/2, "%v", tracked)
}

// TestRotationAndMigrationMoveNobody rotates the secret, twice, and migrates
// every unit at the same time.
func TestRotationAndMigrationMoveNobody(t *testing.T) {
	units := crowdSize(100_000)
	for _, c := range []struct {
		name  string
		store core.Store
	}{{"without a store", nil}, {"with a store", memstore.New(nil)}} {
		t.Run(c.name, func(t *testing.T) {
			define := func(unit func(string) core.Unit, secrets ...[]byte) *core.Experiment[string, int] {
				client, err := core.New(core.Config{KeySecret: secrets[0], PreviousSecrets: secrets[1:], Store: c.store})
				require.NoError(t, err)
				return core.MustDefine(client, core.Definition[string, int]{Name: "rotated", Unit: unit,
					Variants: []core.Variant[string, int]{{Name: "red"}, {Name: "blue"}}})
			}
			before := define(core.Actor[string], secrets[2])
			after := define(func(id string) core.Unit {
				return core.NewUnit(core.String("actor", id), core.Int("version", 2)).MigratedFrom(core.Actor(id))
			}, secrets...)
			changed := 0
			for i := range units {
				id := fmt.Sprint("user:", i)
				was, is := before.Assign(ctx, id), after.Assign(ctx, id)
				if was.Variant != is.Variant || was.Key == is.Key || is.Err != nil {
					changed++
				}
			}
			require.Zero(t, changed)
		})
	}
}
