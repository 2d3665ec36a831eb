package core_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
)

func inlineDef() definition {
	return definition{Name: "inline", Unit: func(u *user) core.Unit { return core.Actor(u.ID) },
		Control: variant{Value: "grey"}, Variants: []variant{{Name: "red", Value: "red!"}}}
}

func TestInlineBehavioursAreEachCallsOwn(t *testing.T) {
	l := newLab(t, nil)
	for i := range 3 {
		def := inlineDef()
		def.Variants[0].Value = strings.Repeat("red", i)
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
	one := core.Inline(l.client, inlineDef()).Assign(ctx, &user{ID: "1"})
	serves(t, one, "control error/- untracked")
	require.ErrorContains(t, one.Err, "inline")
	require.ErrorContains(t, one.Err, "beside 10000 experiments")
	require.Len(t, l.client.Experiments(), most)
	known := inlineDef()
	known.Name = "e7"
	require.Equal(t, "red", core.Inline(l.client, known).Assign(ctx, &user{ID: "1"}).Variant)
}

func TestInlineFaultsServeControl(t *testing.T) {
	strict := func(c *core.Config, _ *definition) { c.StrictRegistration = true }
	for _, c := range []struct {
		name   string
		client change
		change func(*definition)
		says   string
	}{
		{"other variants", nil, func(d *definition) { d.Variants = append(d.Variants, variant{Name: "blue"}) },
			`with variants ["control" "red" "blue"], and was first with ["control" "red"]`},
		{"other segments", nil, func(d *definition) { d.Segments = []segment{{If: old, Variant: "red"}} }, "segments into"},
		{"other retired names", nil, func(d *definition) { d.Retired = []string{"brown"} }, "retired names"},
		{"another rollout", nil, func(d *definition) { d.Rollout = core.Even }, "rollout"},
		{"an invalid name", nil, func(d *definition) { d.Variants[0].Name = "" }, "not allowed"},
		{"a variant called control", nil, func(d *definition) {
			d.Variants = append(d.Variants, variant{Name: core.Control, Value: "not control"})
		},
			"variant 2 is called control"},
		{"a name that is defined", nil, func(d *definition) { d.Name = "pill_color" }, "by Define too"},
		{"a rollout that refuses", nil, func(d *definition) { d.Name, d.Rollout = "another", picky{err: errors.New("no such toggle")} }, "no such toggle"},
		{"StrictRegistration", strict, func(*definition) {}, "StrictRegistration forbids"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t, c.client)
			first := core.Inline(l.client, inlineDef()).Assign(ctx, &user{ID: "1"})
			writes := l.store.writes
			def := inlineDef()
			c.change(&def)
			e := core.Inline(l.client, def)
			got, err := e.Run(ctx, &user{ID: "2"})
			require.NoError(t, err)
			require.Equal(t, "grey", got)
			a := e.Assign(ctx, &user{ID: "2"})
			serves(t, a, "control error/- untracked")
			require.ErrorContains(t, a.Err, c.says)
			require.ErrorContains(t, e.Forget(ctx, &user{ID: "1"}), c.says)
			require.ErrorContains(t, e.Clear(ctx), c.says)
			require.Equal(t, writes, l.store.writes)
			require.Equal(t, 1, strings.Count(l.log.String(), "control is served"), "one line a minute")
			require.Equal(t, first.Variant, core.Inline(l.client, inlineDef()).Assign(ctx, &user{ID: "1"}).Variant, "the first stays")
		})
	}
}

// described is a rollout that is made anew at each call and says how it is set.
type described struct {
	core.Rollout
	detail string
	_      map[string]int // makes it incomparable
}

func (d described) Describe() core.Description { return core.Description{Name: "x", Detail: d.detail} }

// silent is a rollout that can't be compared and does not describe itself.
type silent struct {
	core.Rollout
	_ map[string]int
}

func TestInlineComparesRollouts(t *testing.T) {
	first, second := &flag{d: red}, &flag{d: blue} // which the experiment does not have
	fn := core.RolloutFunc(first.Resolve)
	for _, c := range []struct {
		name          string
		first, second core.Rollout
		says          string // "" if they are the same
	}{
		{"the same function", fn, fn, ""},
		{"another function", fn, core.RolloutFunc(func(context.Context, core.Request) (core.Decision, error) { return red, nil }),
			`with rollout "core.RolloutFunc", and was first with "core.RolloutFunc"`},
		{"another type", fn, core.Even, `with rollout "equal shares, control included", and was first with "core.RolloutFunc"`},
		{"equal descriptions, of which the first decides", described{Rollout: first, detail: "50 %"}, described{Rollout: second, detail: "50 %"}, ""},
		{"other descriptions", described{Rollout: first, detail: "50 %"}, described{Rollout: first, detail: "60 %"},
			`with rollout "60 %", and was first with "50 %"`},
		{"empty descriptions", described{Rollout: first}, described{Rollout: first}, "rollout"},
		{"nothing to go by", silent{Rollout: first}, silent{Rollout: first}, "rollout"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t, nil)
			def := inlineDef()
			def.Rollout = c.first
			core.Inline(l.client, def)
			def.Rollout = c.second
			a := core.Inline(l.client, def).Assign(ctx, &user{ID: "1"})
			if c.says == "" {
				require.NoError(t, a.Err)
			} else {
				require.ErrorContains(t, a.Err, c.says)
			}
		})
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
