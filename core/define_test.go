package core_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
)

func TestDefineReportsEveryFault(t *testing.T) {
	yes := func(context.Context, *user) bool { return true }
	v := func(names ...string) (all []variant) {
		for _, n := range names {
			all = append(all, variant{Name: n})
		}
		return all
	}
	cases := map[string]struct {
		change func(*definition)
		says   string
	}{
		"no name":           {func(d *definition) { d.Name = "" }, "the name is missing"},
		"capital":           {func(d *definition) { d.Name = "Pill" }, `"shop_Pill" is not allowed`},
		"space":             {func(d *definition) { d.Name = "pill color" }, "is not allowed"},
		"long":              {func(d *definition) { d.Name = strings.Repeat("a", 96) }, "1 to 100"},
		"no unit":           {func(d *definition) { d.Unit = nil }, "Unit is missing"},
		"control renamed":   {func(d *definition) { d.Control.Name = "grey" }, `control is called "grey"`},
		"variant control":   {func(d *definition) { d.Variants = v("control") }, "is called control"},
		"no variant name":   {func(d *definition) { d.Variants = v("") }, `variant name "" is not allowed`},
		"any variant":       {func(d *definition) { d.Variants = v(core.AnyVariant) }, `variant name "*" is not allowed`},
		"variant space":     {func(d *definition) { d.Variants = v(" red") }, "is not allowed"},
		"long variant":      {func(d *definition) { d.Variants = v(strings.Repeat("r", 101)) }, "is not allowed"},
		"twice":             {func(d *definition) { d.Variants = v("red", "red") }, `two variants called "red"`},
		"rule":              {func(d *definition) { d.Exclusions = []core.Rule[*user]{{}} }, `"exclusion 1" has no If`},
		"segment":           {func(d *definition) { d.Segments = []core.Segment[*user]{{Into: "red"}} }, `"segment 1" has no If`},
		"segment into":      {func(d *definition) { d.Segments = []core.Segment[*user]{{Name: "x", If: yes, Into: "green"}} }, `"x" sends into "green"; the variants are ["control" "red" "blue"]`},
		"retired":           {func(d *definition) { d.Retired = []string{"red"} }, `"red" is retired and defined`},
		"retired name":      {func(d *definition) { d.Retired = []string{"*"} }, `"*" is no variant name`},
		"retired control":   {func(d *definition) { d.Retired = []string{"control"} }, `"control" is retired and defined`},
		"around":            {func(d *definition) { d.Around = []core.Around{nil} }, "an Around is nil"},
		"sticky, transient": {func(d *definition) { d.StickyControl, d.TransientControl = true, true }, "choose one"},
		"policy":            {func(d *definition) { d.StickyPolicy = 7 }, "StickyPolicy(7)"},
		"rollout":           {func(d *definition) { d.Rollout = picky{errors.New("no such toggle")} }, "no such toggle"},
		"rollout panics":    {func(d *definition) { d.Rollout = picky{} }, "panic"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			client, err := core.New(core.Config{KeySecret: secret, NamePrefix: "shop"})
			require.NoError(t, err)
			def := definition{Name: "pill_color", Unit: func(*user) core.Unit { return core.NewUnit() }, Variants: v("red", "blue")}
			c.change(&def)
			e, err := core.Define(client, def)
			require.Nil(t, e)
			require.ErrorContains(t, err, c.says)
			require.ErrorContains(t, err, `experiment "shop_`)
			require.Panics(t, func() { core.MustDefine(client, def) })
			require.Empty(t, client.Experiments(), "a refused definition is not registered")
		})
	}
	t.Run("all at once", func(t *testing.T) {
		client, err := core.New(core.Config{KeySecret: secret})
		require.NoError(t, err)
		_, err = core.Define(client, definition{Variants: v("control", "")})
		for _, says := range []string{"the name is missing", "Unit is missing", "is called control", `""`} {
			require.ErrorContains(t, err, says)
		}
	})
}

// picky is a rollout that fits no experiment: it refuses, or panics without err.
type picky struct{ err error }

func (picky) Resolve(context.Context, core.Request) (core.Decision, error) {
	return core.Decision{}, nil
}

func (p picky) Validate(string, []string) error { return errors.New(p.err.Error()) }

// drawing is a rollout that needs a store.
type drawing struct{ core.RolloutFunc }

func (drawing) Describe() core.Description { return core.Description{Name: "dice", NeedsStore: true} }

func TestDefineRefusesDrawsWithoutAStore(t *testing.T) {
	client, err := core.New(core.Config{KeySecret: secret})
	require.NoError(t, err)
	def := definition{Name: "a", Unit: func(*user) core.Unit { return core.NewUnit() }, Rollout: drawing{}}
	_, err = core.Define(client, def)
	require.ErrorContains(t, err, "dice draws at random, and the client has no Store")
	client, err = core.New(core.Config{KeySecret: secret, Store: core.NewMemoryStore(nil)})
	require.NoError(t, err)
	require.NotNil(t, core.MustDefine(client, def))
}

func TestDefineOncePerClientAndName(t *testing.T) {
	l := newLab(t, nil)
	def := definition{Name: "pill_color", Unit: func(*user) core.Unit { return core.NewUnit() }}
	_, err := core.Define(l.client, def)
	require.ErrorContains(t, err, `"pill_color" is defined already`)
	def.Name = "inline"
	core.Inline(l.client, def).Assign(ctx, nil)
	_, err = core.Define(l.client, def)
	require.ErrorContains(t, err, `"inline" is defined inline already`)
	_, err = core.Define[*user, string](nil, def)
	require.ErrorContains(t, err, "client is nil")
}

func TestDefineCopiesTheDefinition(t *testing.T) {
	variants := []variant{{Name: "red", Value: "red!"}}
	rules := []core.Rule[*user]{{Name: "never", If: func(context.Context, *user) bool { return false }}}
	l := newLab(t, func(_ *core.Config, d *definition) { d.Variants, d.Exclusions = variants, rules })
	variants[0].Value = "changed"
	rules[0].If = func(context.Context, *user) bool { return true }
	got, err := l.exp.Run(ctx, &user{ID: "1"})
	require.NoError(t, err)
	require.Equal(t, "red!", got)
}

func TestNewReportsEveryFault(t *testing.T) {
	_, err := core.New(core.Config{
		KeySecret: secret[:31], PreviousSecrets: [][]byte{secret, secret, secret, secret[:3]}, NamePrefix: "Shop",
		Nesting: 9, OnRolloutError: 9, Exclusions: []core.Rule[any]{{}}, Around: []core.Around{nil}, Store: (*variantStore)(nil),
	})
	for _, says := range []string{"KeySecret has 31 bytes; it needs at least 32", "4 PreviousSecrets", "PreviousSecrets[3] has 3 bytes",
		`NamePrefix "Shop"`, "Nesting(9)", "OnRolloutError(9)", `"shared exclusion 1" has no If`, "an Around is nil", "the Store, a *core_test.variantStore, panicked: "} {
		require.ErrorContains(t, err, says)
	}
	_, err = core.New(core.Config{InsecureNoSecret: true})
	require.NoError(t, err)
	_, err = core.New(core.Config{})
	require.ErrorContains(t, err, "KeySecret has 0 bytes")
}

func TestDefaults(t *testing.T) {
	var out strings.Builder
	before := slog.Default()
	defer slog.SetDefault(before)
	slog.SetDefault(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})))
	client, err := core.New(core.Config{KeySecret: secret})
	require.NoError(t, err)
	e := core.MustDefine(client, core.Definition[string, int]{
		Name: "even", Unit: func(id string) core.Unit { return core.Actor(id) },
		Control: core.Variant[string, int]{Value: 1}, Variants: []core.Variant[string, int]{{Name: core.Candidate, Value: 2}},
	})
	seen := map[int]int{}
	for _, u := range users(200) {
		n, err := e.Run(ctx, u.ID)
		require.NoError(t, err)
		seen[n]++
	}
	require.Len(t, seen, 2, "Even is the default")
	require.Contains(t, out.String(), "action=assignment", "without a tracker events go to the log at debug")
	require.NotContains(t, out.String(), "user:", "and carry no attribute")
}

func TestExperimentsDescribesThem(t *testing.T) {
	ends := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	l := newLab(t, func(c *core.Config, d *definition) {
		c.NamePrefix = "shop"
		d.Rollout = core.Even
		d.About = core.About{Owner: "growth"}
		d.Ends = ends
	})
	core.Inline(l.client, definition{Name: "a", Unit: func(*user) core.Unit { return core.NewUnit() }})
	infos := l.client.Experiments()
	require.Len(t, infos, 2)
	require.Equal(t, "shop_a", infos[0].Name)
	require.True(t, infos[0].Inline)
	require.Equal(t, "*core_test.flag", infos[0].Rollout.Name)
	require.Equal(t, []string{"control", "red", "blue"}, infos[1].Variants)
	require.Equal(t, "even", infos[1].Rollout.Name)
	require.Equal(t, "growth", infos[1].About.Owner)
	require.Equal(t, ends, infos[1].Ends)
	require.Equal(t, "shop_pill_color", l.exp.Name())
	require.Equal(t, infos[1].Variants, l.exp.Variants())
}

// Inline.

func inlineDef() definition {
	return definition{Name: "inline", Unit: func(u *user) core.Unit { return core.Actor(u.ID) },
		Control: variant{Value: "grey"}, Variants: []variant{{Name: "red", Value: "red!"}}}
}

func TestInlineBehavesLikeDefine(t *testing.T) {
	l := newLab(t, nil)
	for i := range 3 {
		def := inlineDef()
		def.Variants[0].Value = strings.Repeat("red", i) // each call's own
		got, err := core.Inline(l.client, def).Run(ctx, &user{ID: "1"})
		require.NoError(t, err)
		require.Equal(t, strings.Repeat("red", i), got)
	}
	require.Len(t, l.events.Take(), 3)
}

func TestInlineNamesAreBounded(t *testing.T) {
	l := newLab(t, nil)
	const most = 10_000
	for i := range most {
		def := inlineDef()
		def.Name = fmt.Sprint("e", i)
		core.Inline(l.client, def)
	}
	require.Len(t, l.client.Experiments(), most)
	one := l.untracked(core.Inline(l.client, inlineDef()), &user{ID: "1"})
	require.Equal(t, core.SourceError, one.Source)
	require.ErrorContains(t, one.Err, "inline")
	require.ErrorContains(t, one.Err, "beside 10000 experiments")
	require.Len(t, l.client.Experiments(), most)
	known := inlineDef()
	known.Name = "e7"
	require.Equal(t, "red", core.Inline(l.client, known).Assign(ctx, &user{ID: "1"}).Variant)
}

func TestInlineThatDiffersServesControl(t *testing.T) {
	cases := map[string]struct {
		change func(*definition)
		says   string
	}{
		"variants": {func(d *definition) { d.Variants = append(d.Variants, variant{Name: "blue"}) }, `with variants ["control" "red" "blue"], and was first with ["control" "red"]`},
		"segments": {func(d *definition) { d.Segments = []core.Segment[*user]{{If: old, Into: "red"}} }, "segments into"},
		"retired":  {func(d *definition) { d.Retired = []string{"brown"} }, "retired names"},
		"rollout":  {func(d *definition) { d.Rollout = core.Even }, "rollout"},
		"invalid":  {func(d *definition) { d.Variants[0].Name = "" }, "not allowed"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, nil)
			core.Inline(l.client, inlineDef()).Assign(ctx, &user{ID: "1"})
			def := inlineDef()
			c.change(&def)
			e := core.Inline(l.client, def)
			got, err := e.Run(ctx, &user{ID: "2"})
			require.NoError(t, err)
			require.Equal(t, "grey", got)
			a := l.untracked(e, &user{ID: "2"})
			require.Equal(t, core.SourceError, a.Source)
			require.ErrorContains(t, a.Err, c.says)
			require.Zero(t, l.store.writes-1, "only the first call wrote")
			require.ErrorContains(t, e.Forget(ctx, &user{ID: "1"}), c.says)
			require.ErrorContains(t, e.Clear(ctx), c.says)
			require.Equal(t, "red", core.Inline(l.client, inlineDef()).Assign(ctx, &user{ID: "1"}).Variant, "the first stays")
		})
	}
}

func TestInlineThatIsForbiddenOrDefined(t *testing.T) {
	l := newLab(t, func(c *core.Config, _ *definition) { c.StrictRegistration = true })
	require.ErrorContains(t, core.Inline(l.client, inlineDef()).Assign(ctx, &user{ID: "1"}).Err, "StrictRegistration forbids")
	l = newLab(t, nil)
	def := inlineDef()
	def.Name = "pill_color"
	require.ErrorContains(t, core.Inline(l.client, def).Assign(ctx, &user{ID: "1"}).Err, "by Define too")
	def = inlineDef()
	def.Rollout = picky{errors.New("no such toggle")}
	require.ErrorContains(t, core.Inline(l.client, def).Assign(ctx, &user{ID: "1"}).Err, "no such toggle")
	require.Equal(t, 2, strings.Count(l.log.String(), "control is served"), "one line per experiment")
}

func TestInlineThatIsInvalidServesControlItself(t *testing.T) {
	l := newLab(t, nil)
	def := inlineDef()
	def.Variants = append(def.Variants, variant{Name: core.Control, Value: "not control"})
	trial := core.Inline(l.client, def).For(&user{ID: "1"})
	got, err := trial.Run(ctx)
	require.NoError(t, err)
	require.Equal(t, "grey", got)
	require.ErrorContains(t, trial.Assign(ctx).Err, "variant 2 is called control")
}

// described is a rollout that is made anew at each call and says how it is set.
type described struct {
	detail string
	_      map[string]int // makes it incomparable
}

func (described) Resolve(context.Context, core.Request) (core.Decision, error) {
	return core.Decision{State: core.Conditional, Variant: "red"}, nil
}
func (d described) Describe() core.Description { return core.Description{Name: "x", Detail: d.detail} }

type bare struct{ weights map[string]int }

func (bare) Resolve(context.Context, core.Request) (core.Decision, error) {
	return core.Decision{}, nil
}

func TestInlineComparesRollouts(t *testing.T) {
	fn := core.RolloutFunc(func(context.Context, core.Request) (core.Decision, error) { return core.Decision{}, nil })
	other := core.RolloutFunc(func(context.Context, core.Request) (core.Decision, error) {
		return core.Decision{State: core.Off}, nil
	})
	for name, c := range map[string]struct {
		first, second core.Rollout
		same          bool
	}{
		"the same function":  {fn, fn, true},
		"another function":   {fn, other, false},
		"another type":       {fn, core.Even, false},
		"equal descriptions": {described{detail: "50 %"}, described{detail: "50 %"}, true},
		"other descriptions": {described{detail: "50 %"}, described{detail: "60 %"}, false},
		"nothing to go by":   {bare{map[string]int{}}, bare{map[string]int{}}, false},
		"empty descriptions": {described{}, described{}, false},
	} {
		l := newLab(t, nil)
		def := inlineDef()
		def.Rollout = c.first
		core.Inline(l.client, def)
		def.Rollout = c.second
		require.Equal(t, c.same, core.Inline(l.client, def).Assign(ctx, &user{ID: "1"}).Err == nil, name)
	}
}

func TestInlineFromManyGoroutines(t *testing.T) {
	l := newLab(t, nil)
	done := make(chan error)
	for range 32 {
		go func() { done <- core.Inline(l.client, inlineDef()).Assign(ctx, &user{ID: "1"}).Err }()
	}
	for range 32 {
		require.NoError(t, <-done)
	}
}
