package openfeature_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	of "github.com/open-feature/go-sdk/openfeature"
	"github.com/open-feature/go-sdk/openfeature/memprovider"
	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/internal/sdkconst"
	"github.com/rolloutkit/rolloutkit/providers/openfeature"
)

// A mapped is a line of the table of decide: what a provider answers, and the
// decision or the error that is made of it.
type mapped struct {
	about    string
	answer   detail
	variants []string // nil: control, red, blue
	earlier  []detail // answers that the flag gave before
	provider of.State // "" is READY
	hook     of.Hook

	state   core.State
	variant string
	err     error  // a sentinel that the error wraps
	text    string // of the error
}

func named(variant, value string, reason of.Reason) detail {
	d := says(variant, reason)
	d.Value = value
	return d
}

func stating(d detail, state any) detail {
	d.FlagMetadata = of.FlagMetadata{"state": state}
	return d
}

func broken(err of.ResolutionError) detail {
	return detail{ProviderResolutionDetail: of.ProviderResolutionDetail{Reason: of.ErrorReason, ResolutionError: err}}
}

var (
	on2        = []string{"control", "candidate"}
	static     = says("red", of.StaticReason)
	wasOn      = []detail{static}
	wasOff     = []detail{{ProviderResolutionDetail: of.ProviderResolutionDetail{Reason: of.DisabledReason}}}
	noFlag     = broken(of.NewFlagNotFoundResolutionError("the vendor's own"))
	truthTable = []mapped{
		// Failures. The error comes first, whatever the reason says.
		{about: "not ready", provider: of.NotReadyState, answer: broken(of.NewProviderNotReadyResolutionError("")), err: core.ErrNotReady},
		{about: "not ready, and says so", answer: broken(of.NewProviderNotReadyResolutionError("")), err: core.ErrNotReady},
		{about: "fatal", provider: of.FatalState, answer: broken(of.NewProviderFatalResolutionError("")), err: core.ErrNotReady},
		{about: "not found", answer: noFlag, err: core.ErrFlagNotFound, text: `"pill_color"`},
		{about: "not found, stale", provider: of.StaleState, answer: noFlag, err: core.ErrFlagNotFound},
		{about: "not found, provider failed", provider: of.ErrorState, answer: noFlag, err: core.ErrNotReady},
		{about: "wrong type", answer: broken(of.NewTypeMismatchResolutionError("")), text: "no string flag, see Options.Kind"},
		{about: "parse error", answer: broken(of.NewParseErrorResolutionError(""))},
		{about: "no targeting key", answer: broken(of.NewTargetingKeyMissingResolutionError(""))},
		{about: "invalid context", answer: broken(of.NewInvalidContextResolutionError(""))},
		{about: "general", provider: of.ErrorState, answer: broken(of.NewGeneralResolutionError(""))},
		{about: "an After hook failed", hook: failing, answer: static, err: errHook},
		{about: "a Before hook failed", hook: stopping, answer: static, err: errHook},
		{about: "ERROR and no error", answer: says("red", of.ErrorReason), text: "gives no error"},

		// Off.
		{about: "disabled", answer: says("", of.DisabledReason), state: core.Off},
		{about: "disabled, with GO Feature Flag's variant", answer: named("SdkDefault", "", of.DisabledReason), state: core.Off},
		{about: "disabled, though the metadata says on", answer: stating(says("", of.DisabledReason), "on"), state: core.Off},
		{about: "static control", answer: says("control", of.StaticReason), state: core.Off, variant: "control"},
		{about: "static nothing", answer: says("", of.StaticReason), state: core.Off, variant: "control"},

		// On.
		{about: "static red", answer: named("red", "#f00", of.StaticReason), state: core.On, variant: "red"},
		{about: "static, named by value", answer: named("on", "blue", of.StaticReason), state: core.On, variant: "blue"},
		{about: "static, in a provider that failed", provider: of.ErrorState, answer: static, state: core.On, variant: "red"},
		{about: "static, in a provider that is stale", provider: of.StaleState, answer: static, state: core.On, variant: "red"},
		{about: "static, any of one variant", answer: named("on", "*", of.StaticReason), variants: on2, state: core.On, variant: "*"},
		{about: "static, any of several", answer: named("on", "*", of.StaticReason), state: core.Conditional, variant: "*"},

		// Conditional.
		{about: "split", answer: says("red", of.SplitReason), state: core.Conditional, variant: "red"},
		{about: "split, control", answer: says("control", of.SplitReason), state: core.Conditional, variant: "control"},
		{about: "target", answer: says("blue", of.TargetingMatchReason), state: core.Conditional, variant: "blue"},
		{about: "target and split", answer: says("blue", "TARGETING_MATCH_SPLIT"), state: core.Conditional, variant: "blue"},
		{about: "a split of somebody's own", answer: says("blue", "SPLIT_BY_LOTTERY"), state: core.Conditional, variant: "blue"},
		{about: "no rule matched", answer: says("control", of.DefaultReason), state: core.Conditional, variant: "control"},
		{about: "no rule matched, no default variant", answer: says("", of.DefaultReason), state: core.Conditional, variant: "control"},
		{about: "no rule matched, though it was on", answer: says("red", of.DefaultReason), earlier: wasOn, state: core.Conditional, variant: "red"},

		// Reasons that say nothing: as the flag last was.
		{about: "cached", answer: says("red", of.CachedReason), state: core.Conditional, variant: "red"},
		{about: "cached, was on", answer: says("red", of.CachedReason), earlier: wasOn, state: core.On, variant: "red"},
		{about: "cached, was on, then split", answer: says("red", of.CachedReason), earlier: []detail{static, says("red", of.SplitReason)}, state: core.Conditional, variant: "red"},
		{about: "cached twice, was on", answer: says("red", of.CachedReason), earlier: []detail{static, says("red", of.CachedReason)}, state: core.On, variant: "red"},
		{about: "cached, was on with another", answer: says("blue", of.CachedReason), earlier: wasOn, state: core.Conditional, variant: "blue"},
		{about: "cached, was off", answer: says("control", of.CachedReason), earlier: wasOff, state: core.Off, variant: "control"},
		{about: "cached nothing, was off", answer: says("", of.CachedReason), earlier: wasOff, state: core.Off, variant: "control"},
		{about: "cached red, was off", answer: says("red", of.CachedReason), earlier: wasOff, state: core.Conditional, variant: "red"},
		{about: "unknown", answer: says("red", of.UnknownReason), state: core.Conditional, variant: "red"},
		{about: "stale", answer: says("red", "STALE"), earlier: wasOn, state: core.On, variant: "red"},
		{about: "none", answer: says("red", ""), state: core.Conditional, variant: "red"},
		{about: "lower case", answer: says("red", "static"), state: core.Conditional, variant: "red"},

		// The flag says its state itself.
		{about: "static, yet conditional", answer: stating(static, "conditional"), state: core.Conditional, variant: "red"},
		{about: "static control, yet conditional", answer: stating(says("control", of.StaticReason), "conditional"), state: core.Conditional, variant: "control"},
		{about: "target, yet on", answer: stating(says("red", of.TargetingMatchReason), "on"), state: core.On, variant: "red"},
		{about: "split, yet off", answer: stating(says("red", of.SplitReason), "off"), state: core.Off},
		{about: "off, whatever it names", answer: stating(says("green", of.SplitReason), "off"), state: core.Off},
		{about: "a state of somebody else's", answer: stating(says("red", of.SplitReason), "beta"), text: "metadata says state beta"},
		{about: "a state that is no text", answer: stating(says("red", of.SplitReason), true), text: "metadata says state true"},

		// Names.
		{about: "variant before value", answer: named("red", "blue", of.SplitReason), state: core.Conditional, variant: "red"},
		{about: "unknown variant", answer: named("green", "#0f0", of.SplitReason), err: core.ErrUnknownVariant, text: `variant "green" and value "#0f0"`},
		{about: "unknown variant without value", answer: named("green", "", of.StaticReason), err: core.ErrUnknownVariant},
		{about: "unknown value", answer: named("", "green", of.SplitReason), err: core.ErrUnknownVariant},
	}
)

// rollout returns a rollout over a provider that is in the line's state and
// gives its answers one after another.
func (m *mapped) rollout(t *testing.T) *openfeature.Rollout {
	answers := append(slices.Clone(m.earlier), m.answer)
	p := &script{events: make(chan of.Event, 1), evaluate: func(context.Context, string, of.FlattenedContext) (next detail) {
		next, answers = answers[0], answers[1:]
		return next
	}}
	switch m.provider {
	case of.ErrorState:
		p.init = func() error { return errors.New("no connection") }
	case of.FatalState:
		p.init = func() error { return &of.ProviderInitError{ErrorCode: of.ProviderFatalCode, Message: "bad key"} }
	case of.NotReadyState:
		started := make(chan struct{})
		t.Cleanup(func() { close(started) })
		p.init = func() error { <-started; return nil }
	}
	api := newAPI(t)
	client := api.NewClient()
	if m.hook != nil {
		client.AddHooks(m.hook)
	}
	if m.provider == of.NotReadyState {
		require.NoError(t, api.SetProvider(ctx, p))
	} else {
		_ = api.SetProviderAndWait(ctx, p) // an error is the state
	}
	if m.provider == of.StaleState {
		p.events <- of.Event{EventType: of.ProviderStale}
		require.Eventually(t, func() bool { return client.State() == of.StaleState }, 10*time.Second, time.Millisecond)
	}
	return openfeature.New(client, nil)
}

func TestDecisionsFollowFromAnswers(t *testing.T) {
	for _, m := range truthTable {
		t.Run(m.about, func(t *testing.T) {
			q := request
			if m.variants != nil {
				q.Variants = m.variants
			}
			r := m.rollout(t)
			for range m.earlier {
				_, err := r.Resolve(ctx, q)
				require.NoError(t, err)
			}
			d, err := r.Resolve(ctx, q)
			code := m.answer.ResolutionDetail().ErrorCode
			if m.err == nil && m.text == "" && code == "" {
				require.NoError(t, err)
				require.Equal(t, core.Decision{State: m.state, Variant: m.variant, Reason: string(m.answer.Reason)}, d)
				return
			}
			require.Zero(t, d)
			require.ErrorContains(t, err, m.text)
			require.ErrorContains(t, err, string(code), "the SDK's error stays reachable")
			if m.err != nil {
				require.ErrorIs(t, err, m.err)
			}
		})
	}
	t.Run("no provider", func(t *testing.T) {
		_, err := openfeature.New(newAPI(t).NewClient(), nil).Resolve(ctx, request)
		require.ErrorIs(t, err, core.ErrNotReady)
		require.ErrorContains(t, err, "no OpenFeature provider is set")
	})
	t.Run("each flag is remembered by itself", func(t *testing.T) {
		answer := says("", of.DisabledReason)
		r := openfeature.New(serve(t, &script{evaluate: func(context.Context, string, of.FlattenedContext) detail { return answer }}), nil)
		_, err := r.Resolve(ctx, request)
		require.NoError(t, err)
		answer = says("", of.CachedReason)
		other := request
		other.Experiment = "other"
		d, err := r.Resolve(ctx, other)
		require.NoError(t, err)
		require.Equal(t, core.Conditional, d.State)
	})
}

// A reason or an error code that a newer SDK has shows here by name.
func TestTheTableHasAllReasonsAndCodes(t *testing.T) {
	for _, value := range sdkconst.Values(t, "github.com/open-feature/go-sdk/openfeature", "Reason", "ErrorCode") {
		require.True(t, slices.ContainsFunc(truthTable, func(m mapped) bool {
			return string(m.answer.Reason) == value || string(m.answer.ResolutionDetail().ErrorCode) == value
		}), "no line has %s", value)
	}
}

// The value names the variant where the answer's variant does not.
func TestValuesNameVariants(t *testing.T) {
	conditional, off := core.Decision{State: core.Conditional, Variant: core.AnyVariant}, core.Decision{Variant: core.Control}
	for _, c := range []struct {
		value any
		want  core.Decision
		text  string // of the error, which wraps core.ErrUnknownVariant
	}{
		{value: true, want: conditional},
		{value: false, want: off},
		{value: "red", want: core.Decision{State: core.On, Variant: "red"}},
		{value: map[string]any{"color": "blue", "size": 3}, want: core.Decision{State: core.On, Variant: "blue"}},
		{value: map[string]any{"color": true}, want: conditional},
		{value: map[string]any{}, want: off},
		{value: map[string]any{"size": 3}, text: "an object without color"},
		{value: map[string]any{"color": map[string]any{"a": 1}}, text: "(a map[string]interface {})"},
		{value: 7, text: "(a int)"},
	} {
		t.Run(fmt.Sprint(c.value), func(t *testing.T) {
			o := &openfeature.Options{Kind: openfeature.ObjectFlags, Field: "color"}
			if _, is := c.value.(bool); is {
				o.Kind = openfeature.BooleanFlags
			}
			p := memprovider.NewInMemoryProvider(flagSet{"pill_color": flagOf(c.value, "", of.StaticReason, nil)})
			d, err := openfeature.New(serve(t, p), o).Resolve(ctx, request)
			if c.text != "" {
				require.ErrorIs(t, err, core.ErrUnknownVariant)
				require.ErrorContains(t, err, c.text)
				return
			}
			require.NoError(t, err)
			c.want.Reason = "STATIC"
			require.Equal(t, c.want, d)
		})
	}
}
