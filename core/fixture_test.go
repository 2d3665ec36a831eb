package core_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/memstore"
	"github.com/rolloutkit/rolloutkit/internal/tracking"
)

var (
	ctx      = context.Background()
	errStore = errors.New("connection refused")
	errFlag  = errors.New("flag server says 500")
	secret   = []byte("0123456789abcdef0123456789abcdef")
	secrets  = [][]byte{secret, []byte(strings.Repeat("old!", 8)), []byte(strings.Repeat("older!!!", 4))}
)

// A user is the subject of most tests.
type user struct {
	ID                   string
	Subscribed, Old, VIP bool
}

// nobody is the subject of pages that do not know who is looking.
var nobody *user

func users(n int) []*user {
	all := make([]*user, n)
	for i := range all {
		all[i] = &user{ID: fmt.Sprintf("user:%d", i)}
	}
	return all
}

type (
	definition = core.Definition[*user, string]
	experiment = core.Experiment[*user, string]
	variant    = core.Variant[*user, string]
	rule       = core.Rule[*user]
	segment    = core.Segment[*user]

	// A change is what a test wants to be different from the usual.
	change = func(*core.Config, *definition)
)

func subscribed(_ context.Context, u *user) bool { return u != nil && u.Subscribed }
func old(_ context.Context, u *user) bool        { return u != nil && u.Old }
func vip(_ context.Context, u *user) bool        { return u != nil && u.VIP }

func excludeSubscribed(_ *core.Config, d *definition) {
	d.Exclusions = []rule{{Name: "subscribed", If: subscribed}}
}

func oldGetBlue(_ *core.Config, d *definition) {
	d.Segments = []segment{{Name: "old", If: old, Variant: "blue"}}
}

func allowForced(c *core.Config, _ *definition) { c.AllowForced = true }

// unit makes everybody that unit.
func unit(u core.Unit) change {
	return func(_ *core.Config, d *definition) { d.Unit = func(*user) core.Unit { return u } }
}

// all makes several changes, one after the other.
func all(changes ...change) change {
	return func(c *core.Config, d *definition) {
		for _, change := range changes {
			change(c, d)
		}
	}
}

// A flag is a rollout that tests program: it answers with d and err and counts.
type flag struct {
	mu    sync.Mutex
	d     core.Decision
	err   error
	asked int
	last  core.Request
}

func (f *flag) Resolve(_ context.Context, r core.Request) (core.Decision, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	f.last = r
	return f.d, f.err
}

func (f *flag) set(s core.State, variant string) {
	f.d, f.err = core.Decision{State: s, Variant: variant}, nil
}

// A spy is a store that counts what it is asked, and does wrong on demand.
type spy struct {
	core.Store

	mu                sync.Mutex
	loads, writes     int // calls of Load, and of all others
	loadErr, writeErr error
	panics            any                                        // what each operation panics with, nil for nothing
	answer            func(context.Context, []core.Lookup) error // in place of Load
	lostTo            *core.Entry                                // what each claim loses to
	beforeClaim       func()                                     // done once
	variantOnly       bool                                       // what VariantOnly says, and does
}

func (s *spy) count(n *int, err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	*n++
	if s.panics != nil {
		panic(s.panics)
	}
	return err
}

func (s *spy) VariantOnly() bool { return s.variantOnly }

func (s *spy) Load(ctx context.Context, lookups []core.Lookup) error {
	if err := s.count(&s.loads, s.loadErr); err != nil {
		return err
	}
	if s.answer != nil {
		return s.answer(ctx, lookups)
	}
	return s.Store.Load(ctx, lookups)
}

func (s *spy) Claim(ctx context.Context, experiment, key string, old, e core.Entry) (core.Entry, bool, error) {
	if do := s.beforeClaim; do != nil {
		s.beforeClaim = nil
		do()
	}
	if err := s.count(&s.writes, s.writeErr); err != nil {
		return core.Entry{}, false, err
	}
	if s.lostTo != nil {
		return *s.lostTo, false, nil
	}
	return s.Store.Claim(ctx, experiment, key, old, s.kept(e))
}

func (s *spy) Save(ctx context.Context, experiment, key string, e core.Entry) error {
	if err := s.count(&s.writes, s.writeErr); err != nil {
		return err
	}
	return s.Store.Save(ctx, experiment, key, s.kept(e))
}

// kept returns what the store keeps of an entry.
func (s *spy) kept(e core.Entry) core.Entry {
	if s.variantOnly {
		return core.Entry{Variant: e.Variant}
	}
	return e
}

func (s *spy) Delete(ctx context.Context, experiment string, keys ...string) error {
	if err := s.count(&s.writes, s.writeErr); err != nil {
		return err
	}
	return s.Store.Delete(ctx, experiment, keys...)
}

func (s *spy) Clear(ctx context.Context, experiment string) error {
	if err := s.count(&s.writes, s.writeErr); err != nil {
		return err
	}
	return s.Store.Clear(ctx, experiment)
}

// A lab is a client with a programmable flag, a store that can fail, and
// recorders.
type lab struct {
	t      testing.TB
	flag   *flag
	store  *spy
	events *tracking.Recorder
	log    *bytes.Buffer
	client *core.Client
	exp    *experiment
}

// newLab defines pill_color, with red and blue, after change had its say. The
// flag gives everybody red.
func newLab(t testing.TB, change change) *lab {
	l := &lab{t: t, flag: &flag{}, store: &spy{Store: memstore.New(nil)}, events: &tracking.Recorder{}, log: &bytes.Buffer{}}
	l.flag.set(core.Conditional, "red")
	l.exp = l.define(change)
	return l
}

// define makes another client over the same flag, store and tracker, as another
// release of the app would.
func (l *lab) define(change change) *experiment {
	cfg := core.Config{Rollout: l.flag, Store: l.store, Tracker: l.events, KeySecret: secret,
		Logger: slog.New(slog.NewTextHandler(l.log, nil))}
	def := definition{
		Name: "pill_color",
		Unit: func(u *user) core.Unit {
			if u == nil {
				return core.Actor("")
			}
			return core.Actor(u.ID)
		},
		Control:  variant{Value: "grey"},
		Variants: []variant{{Name: "red", Value: "red!"}, {Name: "blue", Run: paintBlue}},
	}
	if change != nil {
		change(&cfg, &def)
	}
	client, err := core.New(cfg)
	require.NoError(l.t, err)
	exp, err := core.Define(client, def)
	require.NoError(l.t, err)
	l.client = client
	return exp
}

func paintBlue(_ context.Context, u *user) (string, error) { return "blue for " + u.ID, nil }

// assignUnit assigns a unit under the given secrets, newest first.
func (l *lab) assignUnit(u core.Unit, secrets ...[]byte) core.Assignment {
	l.t.Helper()
	return l.define(all(unit(u), func(c *core.Config, _ *definition) {
		if len(secrets) > 0 {
			c.KeySecret, c.PreviousSecrets = secrets[0], secrets[1:]
		}
	})).Assign(ctx, nobody)
}

// run returns what the experiment runs for the user.
func (l *lab) run(ctx context.Context, u *user) string {
	l.t.Helper()
	value, err := l.exp.Run(ctx, u)
	require.NoError(l.t, err)
	return value
}

// key returns the key of a user in pill_color.
func key(u *user) string { return core.KeyMaker(secret, "pill_color")(core.Actor(u.ID)) }

// seed stores e for the user, behind the back of all counts.
func (l *lab) seed(u *user, e core.Entry) {
	l.t.Helper()
	require.NoError(l.t, l.store.Store.Save(ctx, "pill_color", key(u), e))
}

// stored returns what is stored under the assignment's key, the zero entry for
// nothing.
func (l *lab) stored(a core.Assignment) core.Entry {
	l.t.Helper()
	lookups := []core.Lookup{{Experiment: a.Experiment, Key: a.Key}}
	require.NoError(l.t, l.store.Store.Load(ctx, lookups))
	return lookups[0].Entry
}

func entry(variant string, origin core.Source) core.Entry {
	return core.Entry{Variant: variant, Origin: origin}
}

// openControl is the entry of a user whom the flag gave control.
func openControl(u *user) core.Entry {
	return core.Entry{Variant: core.Control, Origin: core.SourceResolved, Open: key(u)[:8]}
}

// served says in words what a unit got and why: the variant, source/origin, and
// what else there is to say.
func served(a core.Assignment) string {
	text := fmt.Sprintf("%s %s/%s", a.Variant, a.Source, cmp.Or(a.Origin, "-"))
	if a.Previous != "" {
		text += " was " + a.Previous
	}
	if a.Rule != "" {
		text += " by " + a.Rule
	}
	if !a.Tracked {
		text += " untracked"
	}
	return text
}

func serves(t testing.TB, a core.Assignment, want string) {
	t.Helper()
	require.Equal(t, want, served(a))
}

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
