package core_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
)

// variants makes variants of names.
func variants(names ...string) (all []variant) {
	for _, n := range names {
		all = append(all, variant{Name: n})
	}
	return all
}

func TestDefineReportsEveryFault(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*definition)
		says   string
	}{
		{"no name", func(d *definition) { d.Name = "" }, "the name is missing"},
		{"a name with a capital", func(d *definition) { d.Name = "Pill" }, `"shop_Pill" is not allowed`},
		{"a name with a space", func(d *definition) { d.Name = "pill color" }, "is not allowed"},
		{"a long name", func(d *definition) { d.Name = strings.Repeat("a", 96) }, "1 to 100"},
		{"no unit", func(d *definition) { d.Unit = nil }, "Unit is missing"},
		{"control renamed", func(d *definition) { d.Control.Name = "grey" }, `control is called "grey"`},
		{"a variant called control", func(d *definition) { d.Variants = variants("control") }, "is called control"},
		{"no variant name", func(d *definition) { d.Variants = variants("") }, `variant name "" is not allowed`},
		{"a variant called any", func(d *definition) { d.Variants = variants(core.AnyVariant) }, `variant name "*" is not allowed`},
		{"a variant that begins with a space", func(d *definition) { d.Variants = variants(" red") }, "is not allowed"},
		{"a long variant", func(d *definition) { d.Variants = variants(strings.Repeat("r", 101)) }, "is not allowed"},
		{"a variant twice", func(d *definition) { d.Variants = variants("red", "red") }, `two variants called "red"`},
		{"an empty rule", func(d *definition) { d.Exclusions = []rule{{}} }, `"exclusion 1" has no If`},
		{"an empty segment", func(d *definition) { d.Segments = []segment{{Variant: "red"}} }, `"segment 1" has no If`},
		{"a segment of an unknown variant", func(d *definition) { d.Segments = []segment{{Name: "x", If: old, Variant: "green"}} },
			`"x" sends into "green"; the variants are ["control" "red" "blue"]`},
		{"a variant retired and defined", func(d *definition) { d.Retired = []string{"red"} }, `"red" is retired and defined`},
		{"control retired", func(d *definition) { d.Retired = []string{"control"} }, `"control" is retired and defined`},
		{"a retired name that is none", func(d *definition) { d.Retired = []string{"*"} }, `"*" is no variant name`},
		{"a nil Around", func(d *definition) { d.Around = []core.Around{nil} }, "an Around is nil"},
		{"sticky and transient", func(d *definition) { d.StickyControl, d.TransientControl = true, true }, "choose one"},
		{"an unknown policy", func(d *definition) { d.StickyPolicy = 7 }, "StickyPolicy(7)"},
		{"a rollout that refuses", func(d *definition) { d.Rollout = picky{err: errors.New("no such toggle")} }, "no such toggle"},
		{"a rollout that panics", func(d *definition) { d.Rollout = picky{} }, "panic"},
		{"a draw without a store", func(d *definition) { d.Rollout = dice{} }, "dice draws at random, and the client has no Store"},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, err := core.New(core.Config{KeySecret: secret, NamePrefix: "shop"})
			require.NoError(t, err)
			def := definition{Name: "pill_color", Unit: func(*user) core.Unit { return core.NewUnit() }, Variants: variants("red", "blue")}
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
		_, err = core.Define(client, definition{Variants: variants("control", "")})
		for _, says := range []string{"the name is missing", "Unit is missing", "is called control", `""`} {
			require.ErrorContains(t, err, says)
		}
	})
}

// picky is a rollout that fits no experiment: it refuses, or panics without err.
type picky struct {
	core.Rollout
	err error
}

func (p picky) Validate(string, []string) error { return errors.New(p.err.Error()) }

// dice is a rollout that needs a store.
type dice struct{ core.Rollout }

func (dice) Describe() core.Description { return core.Description{Name: "dice", NeedsStore: true} }

func TestDefineTakesDrawsWithAStore(t *testing.T) {
	newLab(t, func(_ *core.Config, d *definition) { d.Rollout = dice{} })
}

func TestDefineOncePerClientAndName(t *testing.T) {
	l := newLab(t, nil)
	def := inlineDef()
	core.Inline(l.client, def).Assign(ctx, &user{ID: "1"})
	_, err := core.Define(l.client, def)
	require.ErrorContains(t, err, `"inline" is defined inline already`)
	def.Name = "pill_color"
	_, err = core.Define(l.client, def)
	require.ErrorContains(t, err, `"pill_color" is defined already`)
	_, err = core.Define[*user, string](nil, def)
	require.ErrorContains(t, err, "client is nil")
}

func TestDefineCopiesTheDefinition(t *testing.T) {
	variants := []variant{{Name: "red", Value: "red!"}}
	rules := []rule{{Name: "never", If: func(context.Context, *user) bool { return false }}}
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
		Nesting: 9, OnRolloutError: 9, Exclusions: []core.Rule[any]{{}}, Around: []core.Around{nil}, Store: (*spy)(nil),
	})
	for _, says := range []string{"KeySecret has 31 bytes; it needs at least 32", "4 PreviousSecrets", "PreviousSecrets[3] has 3 bytes",
		`NamePrefix "Shop"`, "Nesting(9)", "OnRolloutError(9)", `"shared exclusion 1" has no If`, "an Around is nil", "the Store, a *core_test.spy, panicked: "} {
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
		Name: "even", Unit: core.Actor[string],
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

func TestTheClientDescribesItsExperiments(t *testing.T) {
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
	require.Equal(t, infos[1].Variants, l.client.Variants("shop_pill_color"))
	require.Nil(t, l.client.Variants("elsewhere"))
	l.client.Logger().Info("for the client's log")
	require.Contains(t, l.log.String(), "for the client's log")
}
