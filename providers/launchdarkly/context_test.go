package launchdarkly_test

import (
	"context"
	"math"
	"testing"

	"github.com/launchdarkly/go-sdk-common/v3/ldcontext"
	ld "github.com/launchdarkly/go-server-sdk/v7"
	"github.com/launchdarkly/go-server-sdk/v7/ldhooks"
	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/providers/launchdarkly"
)

func TestContexts(t *testing.T) {
	for name, c := range map[string]struct {
		o      launchdarkly.Options
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
			o:      launchdarkly.Options{Private: []string{"/a/b"}},
			traits: []core.Attr{core.String("/a/b", "x")},
			want:   `{"kind":"experiment-unit","key":"k1","/a/b":"x","_meta":{"privateAttributes":["/~1a~1b"]}}`,
		},
		"private traits": {
			o:      launchdarkly.Options{Private: []string{"email", "absent"}},
			traits: []core.Attr{core.String("email", "a@example.com"), core.String("plan", "gold")},
			want:   `{"kind":"experiment-unit","key":"k1","email":"a@example.com","plan":"gold","_meta":{"privateAttributes":["email"]}}`,
		},
		"a kind of the team's": {o: launchdarkly.Options{Kind: "device"}, want: `{"kind":"device","key":"k1"}`},
		"a key of the team's": {
			o:      launchdarkly.Options{Kind: "user", KeyTrait: "user_id"},
			traits: []core.Attr{core.String("user_id", "u7"), core.String("plan", "gold")},
			want:   `{"kind":"user","key":"u7","plan":"gold"}`,
		},
		"a key that is a number beyond JSON's": {
			o:      launchdarkly.Options{Kind: "user", KeyTrait: "user_id"},
			traits: []core.Attr{core.Int("user_id", int64(math.MaxInt64))},
			want:   `{"kind":"user","key":"9223372036854775807"}`,
		},
		"several kinds": {
			o: launchdarkly.Options{Kinds: map[string]string{"organization": "org_id", "device": "device_id"}, Private: []string{"organization.plan"}},
			traits: []core.Attr{core.String("org_id", "o1"), core.String("organization.plan", "gold"), core.Int("organization.seats", 3),
				core.String("plan", "free"), core.String("organizational", "x")},
			want: `{"kind":"multi","experiment-unit":{"key":"k1","plan":"free","organizational":"x"},
				"organization":{"key":"o1","plan":"gold","seats":3,"_meta":{"privateAttributes":["plan"]}}}`,
		},
		"one trait, the key of two kinds": {
			o:      launchdarkly.Options{Kind: "user", KeyTrait: "id", Kinds: map[string]string{"account": "id"}},
			traits: []core.Attr{core.String("id", "u7")},
			want:   `{"kind":"multi","account":{"key":"u7"},"user":{"key":"u7"}}`,
		},
		"another kind that the unit lacks": {
			o:      launchdarkly.Options{Kinds: map[string]string{"organization": "org_id"}},
			traits: []core.Attr{core.String("organization.plan", "gold")},
			want:   `{"kind":"experiment-unit","key":"k1"}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, seen := newSeeing(t)
			resolve(t, s.rollout(c.o), "pill", "k1", c.traits...)
			require.Len(t, *seen, 1)
			require.JSONEq(t, c.want, (*seen)[0].JSONString())
		})
	}
}

// newSeeing returns a system with the flag pill, and the contexts that its hook
// saw.
func newSeeing(t *testing.T) (*system, *[]ldcontext.Context) {
	var seen []ldcontext.Context
	look := &spy{before: func(_ context.Context, s ldhooks.EvaluationSeriesContext) { seen = append(seen, s.Context()) }}
	return newSystem(t, ld.Config{Hooks: []ldhooks.Hook{look}}, redFlag("pill")), &seen
}

func TestAUnitSharesItsTraitsAlone(t *testing.T) {
	s, seen := newSeeing(t)
	client, err := core.New(core.Config{Rollout: s.rollout(launchdarkly.Options{}), KeySecret: make([]byte, 32)})
	require.NoError(t, err)
	a := core.MustDefine(client, core.Definition[string, string]{
		Name: "pill", Variants: []core.Variant[string, string]{{Name: "red"}},
		Unit: func(id string) core.Unit {
			return core.NewUnit(core.String("actor", id), core.String("city", "Bern")).Traits(core.String("plan", "gold"))
		},
	}).Assign(t.Context(), "ann@example.com")
	require.NoError(t, a.Err)
	require.JSONEq(t, `{"kind":"experiment-unit","key":"`+a.Key+`","plan":"gold"}`, (*seen)[0].JSONString())
}

func TestFaultsOfTraits(t *testing.T) {
	org := launchdarkly.Options{Kinds: map[string]string{"org": "org_id"}}
	byUser := launchdarkly.Options{KeyTrait: "user_id"}
	s := newSystem(t, ld.Config{}, flag("f").Build())
	for name, c := range map[string]struct {
		o     launchdarkly.Options
		trait core.Attr
		want  string
	}{
		"no key":            {byUser, core.String("plan", "secret"), `no trait "user_id"`},
		"an empty key":      {byUser, core.String("user_id", ""), "key"},
		"an empty org":      {org, core.String("org_id", ""), "org"},
		"a trait key":       {launchdarkly.Options{}, core.String("key", "secret"), `a trait called "key"`},
		"a trait kind":      {launchdarkly.Options{}, core.String("kind", "secret"), `a trait called "kind"`},
		"a kind's kind":     {org, core.String("org.kind", "secret"), `a trait called "org.kind"`},
		"a name that isn't": {launchdarkly.Options{}, core.Int("name", 7), "which is no number"},
		"_meta":             {launchdarkly.Options{}, core.String("_meta", "secret"), "_meta"},
		"a large number":    {launchdarkly.Options{}, core.Int("id", int64(1<<53+1)), "JSON can't hold exactly"},
		"not a number":      {launchdarkly.Options{}, core.Float("x", math.NaN()), "not a finite number"},
		"infinity":          {launchdarkly.Options{}, core.Float("x", math.Inf(1)), "not a finite number"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.rollout(c.o).Resolve(t.Context(), request("f", "k1", c.trait))
			require.ErrorContains(t, err, c.want)
			require.NotContains(t, err.Error(), "secret", "values of traits are nobody's business")
		})
	}
}

func TestFaultsOfOptions(t *testing.T) {
	s := newSystem(t, ld.Config{}, flag("f").Build())
	for want, o := range map[string]launchdarkly.Options{
		`the context kind "a b"`:               {Kind: "a b"},
		`the context kind "multi"`:             {Kind: "multi"},
		`the context kind "c d"`:               {Kinds: map[string]string{"c d": "x"}},
		`has "user", which is not another`:     {Kind: "user", Kinds: map[string]string{"user": "x"}},
		`has "", which is not another kind`:    {Kinds: map[string]string{"": "x"}},
		`names no trait as the key of "org"`:   {Kinds: map[string]string{"org": ""}},
		"Exposure(7) is unknown":               {Exposure: 7},
		"the client is nil":                    {},
		`"f/g" is no flag key`:                 {Flag: func(string) string { return "f/g" }},
		`"" is no flag key: letters, digits a`: {Flag: func(string) string { return "" }},
	} {
		t.Run(want, func(t *testing.T) {
			client := s.LDClient
			if want == "the client is nil" {
				client = nil
			}
			require.ErrorContains(t, launchdarkly.New(client, &o).Validate("f", nil), want)
			if o.Flag == nil {
				_, err := launchdarkly.New(client, &o).Resolve(t.Context(), request("f", "k"))
				require.ErrorContains(t, err, want)
				require.ErrorContains(t, launchdarkly.NewTracker(client, &o).Track(t.Context(), core.Event{Action: "a", Key: "k"}), want)
			}
		})
	}
}
