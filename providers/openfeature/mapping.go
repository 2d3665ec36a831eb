package openfeature

import (
	"fmt"
	"slices"
	"strings"

	of "github.com/open-feature/go-sdk/openfeature"

	"github.com/rolloutkit/rolloutkit/core"
)

// A question is what an experiment wants to know of a flag.
type question struct {
	flag     string
	variants []string // of the experiment, control first
	stateKey string
	kind     Kind
}

// An answer is what one evaluation says.
type answer struct {
	of.ResolutionDetail
	says  string // what the value names: a variant, AnyVariant, "" for nothing
	err   error
	state of.State // of the provider; read where the tables of decide do
}

func (a *answer) set(details *of.ResolutionDetail, says string, err error) {
	a.ResolutionDetail = *details
	a.says, a.err = says, err
}

// noProvider is the variant of an answer that the SDK gives while no provider is
// set. It comes without an error.
const noProvider = "default-variant"

// decide maps what an evaluation says to a decision, by the table below, which
// was read from go-sdk v1.20.0. The first line that applies decides; "named" is
// the variant by the rule at the end. flag is the remembered state; decide updates
// it. d is written where there is no error.
//
//	err is set (whatever the reason, which may be STATIC)
//	  PROVIDER_NOT_READY, PROVIDER_FATAL          ErrNotReady
//	  FLAG_NOT_FOUND, provider in state ERROR     ErrNotReady: it may have no flags at all
//	  FLAG_NOT_FOUND                              ErrFlagNotFound
//	  TYPE_MISMATCH                               error, with a hint at Options.Kind
//	  PARSE_ERROR, TARGETING_KEY_MISSING,
//	  INVALID_CONTEXT, GENERAL, any other, none   error
//	reason ERROR without an err                   error
//	no provider set                               ErrNotReady
//	DISABLED                                      off
//	metadata "state": off, conditional, on        that state, named
//	metadata "state": anything else               error
//	STATIC        named control                   off
//	              another                         on, named
//	              AnyVariant, several variants    conditional, named
//	SPLIT..., TARGETING_MATCH..., DEFAULT         conditional, named
//	CACHED, UNKNOWN, STALE, none, any other word
//	              as the flag last was, plainly, for everybody, and is now: that state
//	              else                            conditional, named
//
// Reasons are free-form: flagd says TARGETING_MATCH of a split, GO Feature Flag
// TARGETING_MATCH_SPLIT. The states of a provider don't matter where it answers:
// STALE and ERROR are served.
//
// The variant comes first, the value second: the answer's variant if the
// experiment has one of that name, else what the value names, else control if
// both are empty. Anything else is an error that wraps ErrUnknownVariant. A
// boolean true names AnyVariant, false control.
func decide(q *question, a *answer, flag *lastState, d *core.Decision) (err error) {
	if a.err != nil {
		return failure(q, a)
	}
	sense := senseOf(a.Reason)
	switch {
	case sense == broken, a.Variant == noProvider && a.Reason == of.DefaultReason && a.state == of.NotReadyState:
		return failure(q, a)
	case sense == disabled:
		*flag = lastState{core.Off, core.Control}
		d.Reason = string(a.Reason)
		return nil
	}
	state, claims, err := stated(q, a)
	if err != nil {
		return err
	}
	if claims && state == core.Off {
		d.Reason = string(a.Reason)
		return nil
	}
	variant, err := named(q, a)
	if err != nil {
		return err
	}
	switch {
	case claims:
	case sense == static && variant == core.Control:
		state = core.Off
	case sense == static:
		state = core.On
	case sense == unclear && flag.variant == variant:
		state = flag.state
	default:
		state = core.Conditional
	}
	if state == core.On && variant == core.AnyVariant && len(q.variants) > 2 {
		state = core.Conditional
	}
	switch sense {
	case static:
		*flag = lastState{state, variant}
	case varied:
		*flag = lastState{}
	}
	d.State, d.Variant, d.Reason = state, variant, string(a.Reason)
	return nil
}

// failure returns the error that an answer with an err means.
func failure(q *question, a *answer) error {
	switch {
	case a.err != nil:
	case a.Reason == of.ErrorReason:
		return fmt.Errorf("flag %q: the provider says %s and gives no error", q.flag, a.Reason)
	default:
		return fmt.Errorf("%w: no OpenFeature provider is set", core.ErrNotReady)
	}
	switch a.ErrorCode {
	case of.ProviderNotReadyCode, of.ProviderFatalCode:
		return fmt.Errorf("%w: %w", core.ErrNotReady, a.err)
	case of.FlagNotFoundCode:
		if a.state == of.ErrorState {
			return fmt.Errorf("%w: flag %q, in a provider that failed: %w", core.ErrNotReady, q.flag, a.err)
		}
		return fmt.Errorf("flag %q: %w: %w", q.flag, core.ErrFlagNotFound, a.err)
	case of.TypeMismatchCode:
		return fmt.Errorf("flag %q is no %v flag, see Options.Kind: %w", q.flag, q.kind, a.err)
	}
	return fmt.Errorf("flag %q: %w", q.flag, a.err)
}

// stated returns the state that the flag's metadata claims, if it does.
func stated(q *question, a *answer) (state core.State, claims bool, err error) {
	claim, claims := a.FlagMetadata[q.stateKey]
	if !claims {
		return 0, false, nil
	}
	word, isText := claim.(string)
	if !isText || state.UnmarshalText([]byte(word)) != nil {
		return 0, false, fmt.Errorf("flag %q: its metadata says %s %v; only off, conditional and on are states, see Options.StateKey",
			q.flag, q.stateKey, claim)
	}
	return state, true, nil
}

// named returns the variant that an answer names, Control for none.
func named(q *question, a *answer) (string, error) {
	switch {
	case a.Variant != "" && slices.Contains(q.variants, a.Variant):
		return a.Variant, nil
	case a.says == core.AnyVariant || slices.Contains(q.variants, a.says):
		return a.says, nil
	case a.says == "" && a.Variant == "":
		return core.Control, nil
	}
	return "", fmt.Errorf("flag %q: %w: it gives variant %q and value %q; the experiment has %q",
		q.flag, core.ErrUnknownVariant, a.Variant, a.says, q.variants)
}

// A sense is what a reason says of the flag as a whole.
type sense uint8

const (
	unclear  sense = iota
	disabled       // nobody gets anything
	static         // everybody gets the same
	varied         // some get one thing, others another
	broken
)

func senseOf(r of.Reason) sense {
	switch r {
	case of.SplitReason, of.TargetingMatchReason, of.DefaultReason:
		return varied
	case of.StaticReason:
		return static
	case of.DisabledReason:
		return disabled
	case of.ErrorReason:
		return broken
	}
	if strings.HasPrefix(string(r), string(of.TargetingMatchReason)) || strings.HasPrefix(string(r), string(of.SplitReason)) {
		return varied
	}
	return unclear
}

// objectName returns what the value of an object flag names, "" for nothing at
// all, and no legal name where there is something that names nothing.
func objectName(value any, field string) string {
	if fields, is := value.(map[string]any); is {
		if len(fields) == 0 {
			return ""
		}
		if value = fields[field]; value == nil {
			return fmt.Sprintf("(an object without %s)", field)
		}
	}
	switch value := value.(type) {
	case nil:
		return ""
	case string:
		return value
	case bool:
		return booleanName(value)
	}
	return fmt.Sprintf("(a %T)", value)
}

func booleanName(selected bool) string {
	if selected {
		return core.AnyVariant
	}
	return core.Control
}
