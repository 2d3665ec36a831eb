package core_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/providers/percent"
)

// A browser keeps cookies from one page to the next, and is the scope of the
// page that it is on.
type browser struct {
	mu      sync.Mutex
	cookies map[string]core.Visitor
	made    map[string]core.Visitor // in this request, and not sent
	forced  map[string]string
	silent  bool // the visitor asks not to be tracked
	sent    bool // the header is on its way
	depends bool
	ids     int
	keeps   int // cookies set
}

// page begins a request.
func (b *browser) page() context.Context {
	for name, v := range b.cookies {
		v.Fresh = false
		b.cookies[name] = v
	}
	b.made, b.sent, b.depends = map[string]core.Visitor{}, false, false
	return core.WithScope(ctx, b)
}

func (b *browser) Visitor(experiment string, mint bool) core.Visitor {
	b.mu.Lock()
	defer b.mu.Unlock()
	if v, ok := b.cookies[experiment]; ok {
		return v
	}
	if !mint || b.sent || b.silent {
		return core.Visitor{}
	}
	if b.made[experiment].ID == "" {
		b.ids++
		b.made[experiment] = core.Visitor{ID: fmt.Sprintf("visitor-%d", b.ids), Fresh: true}
	}
	return b.made[experiment]
}

func (b *browser) Keep(experiment string, v core.Visitor) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.sent {
		return false
	}
	if b.cookies == nil {
		b.cookies = map[string]core.Visitor{}
	}
	b.cookies[experiment] = v
	b.keeps++
	return true
}

func (b *browser) Drop(experiment string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.cookies, experiment)
	delete(b.made, experiment)
}

func (b *browser) Forced(experiment string) string { return b.forced[experiment] }
func (b *browser) Silent() bool                    { return b.silent }
func (b *browser) Depends()                        { b.mu.Lock(); b.depends = true; b.mu.Unlock() }

func TestOneDecisionPerRequest(t *testing.T) {
	l, b := newLab(t, func(c *core.Config, d *definition) { c.AllowForced = true; excludeSubscribed(c, d) }), &browser{}
	anna := &user{ID: "anna"}
	page := b.page()
	first := l.exp.Publish(page, anna)
	l.flag.set(core.Off, "")
	require.Equal(t, first, l.exp.Publish(page, anna))
	require.Equal(t, first, l.exp.For(anna).OnlyAssigned().Assign(page))
	require.Equal(t, 1, l.flag.asked)
	require.Equal(t, 1, l.store.loads)
	require.Len(t, l.events.Take(), 1, "and one event")
	require.ErrorIs(t, l.exp.For(anna).AssignTo("mauve").Assign(page).Err, core.ErrUnknownVariant)

	l.flag.set(core.Conditional, "red")
	require.Equal(t, "blue", l.exp.For(anna).AssignTo("blue").Publish(page).Variant)
	require.Equal(t, "blue", l.exp.Publish(page, anna).Variant, "AssignTo replaces it")
	require.Len(t, l.events.Take(), 1)
	forced := core.WithForced(page, "pill_color", "red")
	require.Equal(t, "red", l.exp.Publish(forced, anna).Variant)
	require.Equal(t, "red", l.exp.Publish(page, anna).Variant, "so does WithForced")

	bare := newLab(t, func(c *core.Config, _ *definition) { c.Store = nil })
	require.True(t, bare.exp.Assign(page, anna).Tracked)
	require.Equal(t, core.SourceExcluded, bare.exp.For(anna).Exclude().Assign(page).Source)

	a := l.exp.For(anna).Exclude().Publish(page)
	require.False(t, a.Tracked, "Exclude asks anew")
	require.True(t, l.exp.Assign(page, anna).Tracked, "and is not kept")

	eve := &user{ID: "eve", Subscribed: true}
	require.Equal(t, core.SourceExcluded, l.exp.Publish(page, eve).Source)
	eve.Subscribed = false
	require.Equal(t, core.SourceResolved, l.exp.Publish(page, eve).Source, "exclusions depend on the subject")
	published := core.PublishedIn(page)
	require.Len(t, published, 2)
	require.Equal(t, first.Key, published[0].Key)
	require.False(t, published[1].Excluded, "replaced by the later one")
	require.Nil(t, core.PublishedIn(ctx))
}

func TestUnassignedAsksAnew(t *testing.T) {
	l, b := newLab(t, func(_ *core.Config, d *definition) { d.OnlyAssigned = true }), &browser{}
	page, anna := b.page(), &user{ID: "anna"}
	require.Equal(t, core.SourceUnassigned, l.exp.Publish(page, anna).Source)
	l.seed(l.exp, anna, entry("red", core.SourceResolved))
	require.Equal(t, core.SourceStored, l.exp.Publish(page, anna).Source)
	require.Len(t, core.PublishedIn(page), 1)
}

// A trial that closes enrolment does not decide for those that don't.
func TestOptionsOfATrialDoNotLast(t *testing.T) {
	l, b := newLab(t, nil), &browser{}
	anna := &user{ID: "anna"}
	l.flag.set(core.Conditional, core.Control)
	l.exp.Assign(ctx, anna)
	l.flag.set(core.Conditional, "red") // a ramp
	page := b.page()
	require.Equal(t, core.Control, l.exp.For(anna).OnlyAssigned().Assign(page).Variant)
	require.Equal(t, "red", l.exp.Assign(page, anna).Variant)
	require.Empty(t, l.exp.Assign(page, anna).MigrationKeys, "who is known needs no visitor's id")
}

// Goroutines of one request that draw at the same time agree.
func TestOneDecisionAmongGoroutines(t *testing.T) {
	for range 20 {
		l := newLab(t, func(_ *core.Config, d *definition) {
			d.Rollout = percent.Random(percent.Weights{"red": 50, "blue": 50})
		})
		page := (&browser{}).page()
		var wg sync.WaitGroup
		got := make([]string, 8)
		for i := range got {
			wg.Go(func() { got[i] = l.exp.Publish(page, nobody).Variant })
		}
		wg.Wait()
		require.Len(t, slices.Compact(got), 1, "%q", got)
		require.Len(t, l.events.Take(), 1)
	}
}

// Who decides second for a unit, in the same moment, serves what was first.
func TestTheFirstDecisionOfARequestStands(t *testing.T) {
	var l *lab
	b, inner, draws := &browser{}, core.Assignment{}, 0
	page := b.page()
	l = newLab(t, func(_ *core.Config, d *definition) {
		d.Rollout = core.RolloutFunc(func(context.Context, core.Request) (core.Decision, error) {
			return core.Decision{State: core.Conditional, Choose: func(context.Context) (string, error) {
				if draws++; draws == 1 {
					inner = l.exp.Publish(page, nobody) // as another goroutine would
					return "red", nil
				}
				return "blue", nil
			}}, nil
		})
	})
	require.Equal(t, "blue", l.exp.Publish(page, nobody).Variant)
	require.Equal(t, "blue", inner.Variant)
	require.Equal(t, "blue", b.cookies["pill_color"].Entry.Variant)
	require.Len(t, l.events.Take(), 1)
}

func TestUnitsWithoutActorNeedNoCookie(t *testing.T) {
	for name, unit := range map[string]core.Unit{
		"project":          core.NewUnit(core.Int("project", 7)),
		"everybody":        core.NewUnit(),
		"actor is not key": core.NewUnit(core.String("actor", ""), core.Int("project", 7)).StickyTo("project"),
	} {
		t.Run(name, func(t *testing.T) {
			l, b := newLab(t, func(_ *core.Config, d *definition) { d.Unit = func(*user) core.Unit { return unit } }), &browser{}
			a := l.exp.Publish(b.page(), nobody)
			require.Equal(t, core.SourceResolved, a.Source)
			require.Empty(t, b.made)
			require.Empty(t, b.cookies)
			e, ok := l.stands(a)
			require.True(t, ok)
			require.Equal(t, entry("red", core.SourceResolved), e)
		})
	}
}

func TestScopeKeepsTheContext(t *testing.T) {
	type key struct{}
	b := &browser{}
	outer, cancel := context.WithCancel(context.WithValue(ctx, key{}, "here"))
	page := core.WithScope(outer, b)
	require.Equal(t, "here", page.Value(key{}))
	require.Same(t, b, core.ScopeOf(page))
	require.Nil(t, core.ScopeOf(outer))
	require.Equal(t, outer, core.WithScope(outer, nil))
	cancel()
	require.ErrorIs(t, page.Err(), context.Canceled)
}

func TestPreloadReadsOnce(t *testing.T) {
	l, b := newLab(t, func(c *core.Config, _ *definition) {
		c.PreviousSecrets = [][]byte{[]byte("another secret of thirty-two bytes")}
	}), &browser{}
	batches := &batching{Store: core.NewMemoryStore(nil)}
	exps := make([]*experiment, 5)
	var client *core.Client
	for i := range exps {
		exps[i] = l.define(func(c *core.Config, d *definition) {
			d.Name = fmt.Sprintf("experiment_%d", i)
			c.Store = batches
			c.PreviousSecrets = [][]byte{[]byte("another secret of thirty-two bytes")}
		})
		if client == nil {
			client = l.client
		}
	}
	anna := &user{ID: "anna"}
	for _, e := range exps {
		e.Assign(ctx, anna)
	}
	l.flag.set(core.Conditional, "blue")
	batches.batches, batches.loads = 0, 0
	page := b.page()
	core.Preload(page, exps[0].For(anna), exps[1].For(nobody), exps[0].For(anna))
	require.Equal(t, 1, batches.batches)
	a := exps[0].Assign(page, anna)
	require.Equal(t, "red", a.Variant)
	require.Equal(t, core.SourceStored, a.Source)
	require.Equal(t, 1, batches.batches)
	require.Zero(t, batches.loads)

	core.Preload(ctx, exps[2].For(anna))
	require.Equal(t, 1, batches.batches, "without a scope it does nothing")
	batches.err = errStore
	core.Preload(page, exps[3].For(anna))
	require.True(t, exps[3].Assign(page, anna).Degraded, "an error is the trial's")
	batches.short = true
	core.Preload(page, exps[4].For(anna))
	batches.short, batches.err, batches.panics = false, nil, true
	core.Preload(page, exps[4].For(anna), core.Inline(client, definition{Name: "faulty"}).For(anna))
	batches.panics = false
	require.Equal(t, core.SourceStored, exps[4].Assign(page, anna).Source)
}

// A batching counts what a store is asked.
type batching struct {
	core.Store
	batches, loads int
	err            error
	short, panics  bool
}

func (s *batching) Load(ctx context.Context, experiment, key string, older []string) (core.Entry, []string, bool, error) {
	s.loads++
	return s.Store.Load(ctx, experiment, key, older)
}

func (s *batching) LoadBatch(ctx context.Context, lookups []core.Lookup) []core.Loaded {
	s.batches++
	if s.panics {
		panic("the store is broken")
	}
	if s.short {
		return nil
	}
	loaded := s.Store.(core.BatchLoader).LoadBatch(ctx, lookups)
	for i := range loaded {
		if s.err != nil {
			loaded[i] = core.Loaded{Err: s.err}
		}
	}
	return loaded
}

func TestTrackEntry(t *testing.T) {
	l, b := newLab(t, nil), &browser{}
	a := l.exp.Assign(b.page(), nobody)
	red := entry("red", core.SourceResolved)
	clicked := core.Event{Action: "clicked"}
	require.Error(t, l.client.TrackKey(ctx, "pill_color", a.Key, clicked), "nothing is stored yet")
	require.NoError(t, l.client.TrackEntry(ctx, "pill_color", a.Key, red, clicked))
	events := l.events.Take()
	require.Len(t, events, 1)
	require.Equal(t, "red", events[0].Variant)
	require.Equal(t, core.SourceResolved, events[0].Origin)
	require.Zero(t, l.store.writes)

	require.NoError(t, l.store.Store.Save(ctx, "pill_color", a.Key, entry("blue", core.SourceManual)))
	require.NoError(t, l.client.TrackEntry(ctx, "pill_color", a.Key, red, clicked))
	require.Equal(t, "blue", l.events.Take()[0].Variant, "the store knows better")
	require.ErrorContains(t, l.client.TrackEntry(ctx, "nowhere", a.Key, red, clicked), "nowhere")
}

func TestDerivedSecrets(t *testing.T) {
	l := newLab(t, func(c *core.Config, _ *definition) {
		c.PreviousSecrets = [][]byte{[]byte("another secret of thirty-two bytes")}
	})
	cookies, links := l.client.DerivedSecrets("cookies"), l.client.DerivedSecrets("links")
	require.Len(t, cookies, 2)
	require.Len(t, cookies[0], 32)
	require.NotEqual(t, cookies[0], cookies[1])
	require.NotEqual(t, cookies[0], links[0])
	require.Equal(t, cookies, l.client.DerivedSecrets("cookies"))
	short, err := core.New(core.Config{InsecureNoSecret: true})
	require.NoError(t, err)
	require.Nil(t, short.DerivedSecrets("cookies"))
}

// What hooks record outside of trials goes out once per request too, beside the
// trials' own, and not at all where nobody may be tracked.
func TestTrackAssignmentOncePerRequest(t *testing.T) {
	l, b := newLab(t, nil), &browser{}
	page := b.page()
	seen := func(ctx context.Context) int {
		require.NoError(t, l.client.TrackAssignment(ctx, "pill_color", core.Actor("anna"), core.Decision{State: core.Conditional, Variant: "red"}))
		return len(l.events.Take())
	}
	require.Equal(t, 1, seen(page))
	require.Zero(t, seen(page))
	_ = l.exp.Publish(page, &user{ID: "anna"})
	require.Empty(t, l.events.Take(), "the same event")
	require.Equal(t, 1, seen(b.page()), "another request")
	b.silent = true
	require.Zero(t, seen(b.page()))
	require.Equal(t, 1, seen(ctx), "without a request")
}
