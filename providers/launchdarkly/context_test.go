package launchdarkly

import (
	"math"
	"testing"

	"github.com/launchdarkly/go-sdk-common/v3/ldcontext"
	"github.com/launchdarkly/go-sdk-common/v3/ldvalue"
	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
)

func TestContexts(t *testing.T) {
	for name, c := range map[string]struct {
		o      Options
		traits []core.Attr
		want   string // JSON
	}{
		"a key alone": {want: `{"kind":"experiment-unit","key":"k1"}`},
		"traits": {
			traits: []core.Attr{core.String("plan", "gold"), core.Int("age", 7), core.Bool("beta", true), core.Float("score", 1.5)},
			want:   `{"kind":"experiment-unit","key":"k1","plan":"gold","age":7,"beta":true,"score":1.5}`,
		},
		"a trait that LaunchDarkly has a use for": {
			traits: []core.Attr{core.String("name", "Ann"), core.Bool("anonymous", true)},
			want:   `{"kind":"experiment-unit","key":"k1","name":"Ann","anonymous":true}`,
		},
		"a trait that looks like a path": {
			o:      Options{Private: []string{"/a/b"}},
			traits: []core.Attr{core.String("/a/b", "x")},
			want:   `{"kind":"experiment-unit","key":"k1","/a/b":"x","_meta":{"privateAttributes":["/~1a~1b"]}}`,
		},
		"private traits": {
			o:      Options{Private: []string{"email", "absent"}},
			traits: []core.Attr{core.String("email", "a@example.com"), core.String("plan", "gold")},
			want:   `{"kind":"experiment-unit","key":"k1","email":"a@example.com","plan":"gold","_meta":{"privateAttributes":["email"]}}`,
		},
		"a kind of the team's": {o: Options{Kind: "device"}, want: `{"kind":"device","key":"k1"}`},
		"a key of the team's": {
			o:      Options{Kind: "user", KeyTrait: "user_id"},
			traits: []core.Attr{core.String("user_id", "u7"), core.String("plan", "gold")},
			want:   `{"kind":"user","key":"u7","plan":"gold"}`,
		},
		"a key that is a number beyond JSON's": {
			o:      Options{Kind: "user", KeyTrait: "user_id"},
			traits: []core.Attr{core.Int("user_id", int64(math.MaxInt64))},
			want:   `{"kind":"user","key":"9223372036854775807"}`,
		},
		"several kinds": {
			o: Options{Kinds: map[string]string{"organization": "org_id", "device": "device_id"}, Private: []string{"organization.plan"}},
			traits: []core.Attr{core.String("org_id", "o1"), core.String("organization.plan", "gold"), core.Int("organization.seats", 3),
				core.String("plan", "free"), core.String("organizational", "x")},
			want: `{"kind":"multi","experiment-unit":{"key":"k1","plan":"free","organizational":"x"},
				"organization":{"key":"o1","plan":"gold","seats":3,"_meta":{"privateAttributes":["plan"]}}}`,
		},
		"one trait, the key of two kinds": {
			o:      Options{Kind: "user", KeyTrait: "id", Kinds: map[string]string{"account": "id"}},
			traits: []core.Attr{core.String("id", "u7")},
			want:   `{"kind":"multi","account":{"key":"u7"},"user":{"key":"u7"}}`,
		},
		"another kind that the unit lacks": {
			o:      Options{Kinds: map[string]string{"organization": "org_id"}},
			traits: []core.Attr{core.String("organization.plan", "gold")},
			want:   `{"kind":"experiment-unit","key":"k1"}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := newRecipe(&c.o)
			require.NoError(t, err)
			got, err := p.context("k1", c.traits)
			require.NoError(t, err)
			require.JSONEq(t, c.want, got.JSONString())
			require.Equal(t, got, (&unit{recipe: &p, key: "k1", traits: c.traits}).context())
		})
	}
}

func TestContextFaults(t *testing.T) {
	for name, c := range map[string]struct {
		o      Options
		traits []core.Attr
		want   string
	}{
		"no key":            {Options{KeyTrait: "user_id"}, []core.Attr{core.String("plan", "x")}, `no trait "user_id"`},
		"an empty key":      {Options{KeyTrait: "user_id"}, []core.Attr{core.String("user_id", "")}, "key"},
		"an empty org":      {Options{Kinds: map[string]string{"org": "org_id"}}, []core.Attr{core.String("org_id", "")}, "org"},
		"a trait key":       {Options{}, []core.Attr{core.String("key", "secret")}, `a trait called "key"`},
		"a trait kind":      {Options{}, []core.Attr{core.String("kind", "secret")}, `a trait called "kind"`},
		"a kind's kind":     {Options{Kinds: map[string]string{"org": "org_id"}}, []core.Attr{core.String("org.kind", "secret")}, `a trait called "org.kind"`},
		"a name that isn't": {Options{}, []core.Attr{core.Int("name", 7)}, "which is no number"},
		"_meta":             {Options{}, []core.Attr{core.String("_meta", "secret")}, "_meta"},
		"a large number":    {Options{}, []core.Attr{core.Int("id", int64(1<<53+1))}, "JSON can't hold exactly"},
		"not a number":      {Options{}, []core.Attr{core.Float("x", math.NaN())}, "not a finite number"},
		"infinity":          {Options{}, []core.Attr{core.Float("x", math.Inf(1))}, "not a finite number"},
	} {
		t.Run(name, func(t *testing.T) {
			client, _, _ := flagsOf(t, flag("f").Build())
			_, err := New(client, &c.o).Resolve(t.Context(), request("f", "k1", c.traits...))
			require.ErrorContains(t, err, c.want)
			require.NotContains(t, err.Error(), "secret", "values of traits are nobody's business")
		})
	}
}

func TestOptionFaults(t *testing.T) {
	client, _, _ := flagsOf(t, flag("f").Build())
	for name, c := range map[string]struct {
		o    Options
		want string
	}{
		"kind":           {Options{Kind: "a b"}, `the context kind "a b"`},
		"multi":          {Options{Kind: "multi"}, `the context kind "multi"`},
		"another kind":   {Options{Kinds: map[string]string{"a b": "x"}}, `the context kind "a b"`},
		"the same kind":  {Options{Kinds: map[string]string{DefaultKind: "x"}}, "is not another kind"},
		"an empty kind":  {Options{Kinds: map[string]string{"": "x"}}, "is not another kind"},
		"kind, no trait": {Options{Kinds: map[string]string{"org": ""}}, `names no trait as the key of "org"`},
		"exposure":       {Options{Exposure: 7}, "Exposure(7) is unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			r := New(client, &c.o)
			require.ErrorContains(t, r.Validate("f", nil), c.want)
			_, err := r.Resolve(t.Context(), request("f", "k"))
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, NewTracker(client, &c.o).Track(t.Context(), core.Event{Action: "a", Key: "k"}), c.want)
		})
	}
	require.ErrorContains(t, New(nil, nil).Validate("f", nil), "the client is nil")
	_, err := New(nil, nil).Resolve(t.Context(), request("f", "k"))
	require.ErrorContains(t, err, "the client is nil")
}

// TestWhatLeaves: a rule sees the traits and nothing else of the unit.
func TestWhatLeaves(t *testing.T) {
	var seen []ldcontext.Context
	c := newHooked(t, func(s seriesContext) { seen = append(seen, s.Context()) }, flag("pill").FallthroughVariation(1).Build())
	client, err := core.New(core.Config{Rollout: New(c, nil), KeySecret: make([]byte, 32)})
	require.NoError(t, err)
	e := core.MustDefine(client, core.Definition[string, string]{
		Name: "pill",
		Unit: func(id string) core.Unit {
			return core.NewUnit(core.String("actor", id), core.String("city", "Bern")).Traits(core.String("plan", "gold"))
		},
		Variants: []core.Variant[string, string]{{Name: "red", Value: "red"}},
	})
	a := e.Assign(t.Context(), "ann@example.com")
	require.NoError(t, a.Err)
	require.Equal(t, "red", a.Variant)
	require.Len(t, seen, 1)
	want := ldvalue.ObjectBuild().SetString("kind", DefaultKind).SetString("key", a.Key).SetString("plan", "gold").Build()
	require.JSONEq(t, want.JSONString(), seen[0].JSONString())
}
