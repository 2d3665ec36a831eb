package openfeature

import (
	"errors"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	of "github.com/open-feature/go-sdk/openfeature"
	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
)

var errVendor = errors.New("the vendor's own")

// a case of the table: what is answered, and what is made of it.
type mapped struct {
	about    string
	a        answer
	variants []string // nil: control, red, blue
	last     settled
	state    core.State
	variant  string
	err      error  // a sentinel that the error wraps
	says     string // what the error says
}

func answered(reason of.Reason, variant, value string) answer {
	return answer{ResolutionDetail: of.ResolutionDetail{Reason: reason, Variant: variant}, says: value, state: of.ReadyState}
}

func stating(a answer, state any) answer {
	a.FlagMetadata = of.FlagMetadata{"state": state}
	return a
}

func failing(code of.ErrorCode, reason of.Reason, state of.State) answer {
	return answer{ResolutionDetail: of.ResolutionDetail{Reason: reason, ErrorCode: code}, err: errVendor, state: state}
}

var (
	two        = []string{"control", "candidate"}
	lastOff    = settled{known: true, state: core.Off, variant: "control"}
	lastRed    = settled{known: true, state: core.On, variant: "red"}
	truthTable = []mapped{
		// Failures. err comes first, whatever the reason says.
		{about: "not ready", a: failing(of.ProviderNotReadyCode, of.ErrorReason, of.NotReadyState), err: core.ErrNotReady},
		{about: "fatal", a: failing(of.ProviderFatalCode, of.ErrorReason, of.FatalState), err: core.ErrNotReady},
		{about: "not found", a: failing(of.FlagNotFoundCode, of.ErrorReason, of.ReadyState), err: core.ErrFlagNotFound, says: `"pill"`},
		{about: "not found, stale", a: failing(of.FlagNotFoundCode, of.ErrorReason, of.StaleState), err: core.ErrFlagNotFound},
		{about: "not found, provider failed", a: failing(of.FlagNotFoundCode, of.ErrorReason, of.ErrorState), err: core.ErrNotReady},
		{about: "wrong type", a: failing(of.TypeMismatchCode, of.ErrorReason, of.ReadyState), err: errVendor, says: "no string flag, see Options.Kind"},
		{about: "parse error", a: failing(of.ParseErrorCode, of.ErrorReason, of.ReadyState), err: errVendor},
		{about: "no targeting key", a: failing(of.TargetingKeyMissingCode, of.ErrorReason, of.ReadyState), err: errVendor},
		{about: "invalid context", a: failing(of.InvalidContextCode, of.ErrorReason, of.ReadyState), err: errVendor},
		{about: "general", a: failing(of.GeneralCode, of.ErrorReason, of.ErrorState), err: errVendor},
		{about: "a code of somebody's own", a: failing("QUOTA", of.ErrorReason, of.ReadyState), err: errVendor},
		{about: "an After hook failed", a: failing("", of.StaticReason, of.ReadyState), err: errVendor},
		{about: "a Before hook failed", a: failing("", "", of.ReadyState), err: errVendor},
		{about: "ERROR and no error", a: answered(of.ErrorReason, "red", "red"), says: "gives no error"},
		{about: "no provider", a: answer{ResolutionDetail: of.ResolutionDetail{Reason: of.DefaultReason, Variant: noProvider}, state: of.NotReadyState}, err: core.ErrNotReady},

		// Off.
		{about: "disabled", a: answered(of.DisabledReason, "", ""), state: core.Off},
		{about: "disabled, with GO Feature Flag's variant", a: answered(of.DisabledReason, "SdkDefault", ""), state: core.Off},
		{about: "disabled, though the metadata says on", a: stating(answered(of.DisabledReason, "", ""), "on"), state: core.Off},
		{about: "static control", a: answered(of.StaticReason, "control", "control"), state: core.Off, variant: "control"},
		{about: "static nothing", a: answered(of.StaticReason, "", ""), state: core.Off, variant: "control"},

		// On.
		{about: "static red", a: answered(of.StaticReason, "red", "#f00"), state: core.On, variant: "red"},
		{about: "static, named by value", a: answered(of.StaticReason, "on", "blue"), state: core.On, variant: "blue"},
		{about: "static true of one variant", a: answered(of.StaticReason, "on", core.AnyVariant), variants: two, state: core.On, variant: core.AnyVariant},
		{about: "static true of several", a: answered(of.StaticReason, "on", core.AnyVariant), state: core.Conditional, variant: core.AnyVariant},

		// Conditional.
		{about: "split", a: answered(of.SplitReason, "red", "red"), state: core.Conditional, variant: "red"},
		{about: "split, control", a: answered(of.SplitReason, "control", "control"), state: core.Conditional, variant: "control"},
		{about: "split, false", a: answered(of.SplitReason, "off", core.Control), state: core.Conditional, variant: "control"},
		{about: "target", a: answered(of.TargetingMatchReason, "blue", "blue"), state: core.Conditional, variant: "blue"},
		{about: "target and split", a: answered("TARGETING_MATCH_SPLIT", "blue", "blue"), state: core.Conditional, variant: "blue"},
		{about: "a split of somebody's own", a: answered("SPLIT_BY_LOTTERY", "blue", "blue"), state: core.Conditional, variant: "blue"},
		{about: "no rule matched", a: answered(of.DefaultReason, "control", "control"), state: core.Conditional, variant: "control"},
		{about: "no rule matched, no default variant", a: answered(of.DefaultReason, "", ""), state: core.Conditional, variant: "control"},
		{about: "no rule matched, though it was on", a: answered(of.DefaultReason, "red", "red"), last: lastRed, state: core.Conditional, variant: "red"},

		// Reasons that say nothing.
		{about: "cached", a: answered(of.CachedReason, "red", "red"), state: core.Conditional, variant: "red"},
		{about: "cached, last on", a: answered(of.CachedReason, "red", "red"), last: lastRed, state: core.On, variant: "red"},
		{about: "cached, last on with another", a: answered(of.CachedReason, "blue", "blue"), last: lastRed, state: core.Conditional, variant: "blue"},
		{about: "cached, last off", a: answered(of.CachedReason, "control", "control"), last: lastOff, state: core.Off, variant: "control"},
		{about: "cached nothing, last off", a: answered(of.CachedReason, "", ""), last: lastOff, state: core.Off, variant: "control"},
		{about: "cached red, last off", a: answered(of.CachedReason, "red", "red"), last: lastOff, state: core.Conditional, variant: "red"},
		{about: "unknown", a: answered(of.UnknownReason, "red", "red"), state: core.Conditional, variant: "red"},
		{about: "stale", a: answered("STALE", "red", "red"), last: lastRed, state: core.On, variant: "red"},
		{about: "none", a: answered("", "red", "red"), state: core.Conditional, variant: "red"},
		{about: "lower case", a: answered("static", "red", "red"), state: core.Conditional, variant: "red"},

		// The flag says its state itself.
		{about: "static, yet conditional", a: stating(answered(of.StaticReason, "red", "red"), "conditional"), state: core.Conditional, variant: "red"},
		{about: "static control, yet conditional", a: stating(answered(of.StaticReason, "control", "control"), "conditional"), state: core.Conditional, variant: "control"},
		{about: "target, yet on", a: stating(answered(of.TargetingMatchReason, "red", "red"), "on"), state: core.On, variant: "red"},
		{about: "split, yet off", a: stating(answered(of.SplitReason, "red", "red"), "off"), state: core.Off},
		{about: "off, whatever it names", a: stating(answered(of.SplitReason, "green", "green"), "off"), state: core.Off},
		{about: "a state of somebody else's", a: stating(answered(of.SplitReason, "red", "red"), "beta"), says: `metadata says state beta`},
		{about: "a state that is no text", a: stating(answered(of.SplitReason, "red", "red"), true), says: `metadata says state true`},

		// Names.
		{about: "variant before value", a: answered(of.SplitReason, "red", "blue"), state: core.Conditional, variant: "red"},
		{about: "unknown variant", a: answered(of.SplitReason, "green", "#0f0"), err: core.ErrUnknownVariant, says: `variant "green" and value "#0f0"`},
		{about: "unknown variant without value", a: answered(of.StaticReason, "green", ""), err: core.ErrUnknownVariant},
		{about: "unknown value", a: answered(of.SplitReason, "", "green"), err: core.ErrUnknownVariant},
	}
)

func TestDecide(t *testing.T) {
	for _, c := range truthTable {
		t.Run(c.about, func(t *testing.T) {
			if c.variants == nil {
				c.variants = []string{"control", "red", "blue"}
			}
			q := question{flag: "pill", variants: c.variants, stateKey: "state"}
			var d core.Decision
			err := decide(&q, &c.a, &c.last, &d)
			if c.err != nil || c.says != "" {
				require.Error(t, err)
				require.ErrorContains(t, err, c.says)
				if c.err != nil {
					require.ErrorIs(t, err, c.err)
				}
				if c.a.err != nil {
					require.ErrorIs(t, err, errVendor, "the vendor's error stays reachable")
				}
				require.Zero(t, d)
				return
			}
			require.NoError(t, err)
			require.Equal(t, core.Decision{State: c.state, Variant: c.variant, Reason: string(c.a.Reason)}, d)
		})
	}
}

// The table has a line for each reason and error code that the SDK has, so that a
// new one in a newer SDK shows here by name.
func TestTableCoversTheSDK(t *testing.T) {
	reasons, codes := constants(t, "Reason"), constants(t, "ErrorCode")
	require.Contains(t, reasons, "TARGETING_MATCH")
	require.Contains(t, codes, "PROVIDER_FATAL")
	for _, reason := range reasons {
		require.True(t, slices.ContainsFunc(truthTable, func(c mapped) bool { return string(c.a.Reason) == reason }), "no line has the reason %s", reason)
	}
	for _, code := range codes {
		require.True(t, slices.ContainsFunc(truthTable, func(c mapped) bool { return string(c.a.ErrorCode) == code }), "no line has the code %s", code)
	}
}

// constants returns the values of the SDK's constants of a type.
func constants(t *testing.T, kind string) (values []string) {
	pkg, err := build.Import("github.com/open-feature/go-sdk/openfeature", ".", 0)
	require.NoError(t, err)
	for _, name := range pkg.GoFiles {
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(pkg.Dir, name), nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			spec, is := n.(*ast.ValueSpec)
			if !is {
				return true
			}
			if of, is := spec.Type.(*ast.Ident); is && of.Name == kind {
				for _, value := range spec.Values {
					text, err := strconv.Unquote(value.(*ast.BasicLit).Value)
					require.NoError(t, err)
					values = append(values, text)
				}
			}
			return false
		})
	}
	return values
}

// What is settled is remembered until the flag says otherwise.
func TestMemory(t *testing.T) {
	var m memory
	q := question{flag: "pill", variants: []string{"control", "red", "blue"}, stateKey: "state"}
	state := func(reason of.Reason, variant string) core.State {
		a := answered(reason, variant, variant)
		var d core.Decision
		require.NoError(t, m.decide(&q, &a, &d))
		return d.State
	}
	require.Equal(t, core.Conditional, state(of.CachedReason, "red"), "nothing is known yet")
	require.Equal(t, core.On, state(of.StaticReason, "red"))
	require.Equal(t, core.On, state(of.CachedReason, "red"))
	require.Equal(t, core.Conditional, state(of.SplitReason, "red"), "it changed")
	require.Equal(t, core.Conditional, state(of.CachedReason, "red"))
	require.Equal(t, core.Off, state(of.DisabledReason, ""))
	require.Equal(t, core.Off, state(of.CachedReason, ""))

	other := q
	other.flag = "other"
	a := answered(of.CachedReason, "", "")
	var d core.Decision
	require.NoError(t, m.decide(&other, &a, &d))
	require.Equal(t, core.Conditional, d.State, "flags are kept apart")
}

func TestObjectName(t *testing.T) {
	for want, value := range map[string]any{
		"red":                         map[string]any{"variant": "red"},
		core.AnyVariant:               map[string]any{"variant": true},
		core.Control:                  false,
		"blue":                        "blue",
		"(an object without variant)": map[string]any{"color": "red"},
		"(a int)":                     7,
		"(a map[string]interface {})": map[string]any{"variant": map[string]any{"a": 1}},
	} {
		require.Equal(t, want, objectName(value, "variant"))
	}
	require.Empty(t, objectName(nil, "variant"))
	require.Empty(t, objectName(map[string]any{}, "variant"))
}
