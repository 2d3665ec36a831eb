package launchdarkly

import (
	"errors"
	"testing"

	"github.com/launchdarkly/go-sdk-common/v3/ldcontext"
	"github.com/launchdarkly/go-sdk-common/v3/ldreason"
	"github.com/launchdarkly/go-sdk-common/v3/ldvalue"
	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/internal/sdkconst"
)

// decided decides on an answer, red, that clients do not give at will.
func decided(reason ldreason.EvaluationReason, sdks error) (core.Decision, error) {
	c := ldcontext.NewWithKind(DefaultKind, "k")
	detail := ldreason.NewEvaluationDetail(ldvalue.String("red"), 1, reason)
	return decide(&question{key: "pill", field: DefaultField, variants: 3, unit: unit{given: &c}}, &detail, sdks)
}

func bigSegments(s ldreason.BigSegmentsStatus) ldreason.EvaluationReason {
	return ldreason.NewEvalReasonFromReasonWithBigSegmentsStatus(ldreason.NewEvalReasonFallthrough(), s)
}

// There is a case for each reason, error kind and big segments status of the
// SDK; the test fails by name for one that has none.
func TestEveryReason(t *testing.T) {
	sdks := errors.New("the SDK's")
	conditional := func(reason string) core.Decision {
		return core.Decision{State: core.Conditional, Variant: "red", Reason: reason}
	}
	cases := map[string]struct {
		reason ldreason.EvaluationReason
		err    error
		want   core.Decision
		wrong  error  // that the error wraps, beside the SDK's
		text   string // of the error; "" for none
	}{
		"OFF":                 {reason: ldreason.NewEvalReasonOff(), want: core.Decision{State: core.Off, Reason: "OFF"}},
		"TARGET_MATCH":        {reason: ldreason.NewEvalReasonTargetMatch(), want: conditional("TARGET_MATCH")},
		"RULE_MATCH":          {reason: ldreason.NewEvalReasonRuleMatch(0, "r1"), want: conditional("RULE_MATCH r1")},
		"PREREQUISITE_FAILED": {reason: ldreason.NewEvalReasonPrerequisiteFailed("p"), want: core.Decision{State: core.Off, Reason: "PREREQUISITE_FAILED p"}},
		"FALLTHROUGH":         {reason: ldreason.NewEvalReasonFallthrough(), want: conditional("FALLTHROUGH")},
		"ERROR":               {reason: ldreason.NewEvalReasonError("NEWER"), text: "NEWER"},

		"CLIENT_NOT_READY":   {reason: ldreason.NewEvalReasonError(ldreason.EvalErrorClientNotReady), err: sdks, wrong: core.ErrNotReady, text: "CLIENT_NOT_READY"},
		"FLAG_NOT_FOUND":     {reason: ldreason.NewEvalReasonError(ldreason.EvalErrorFlagNotFound), err: sdks, wrong: core.ErrFlagNotFound, text: "FLAG_NOT_FOUND"},
		"MALFORMED_FLAG":     {reason: ldreason.NewEvalReasonError(ldreason.EvalErrorMalformedFlag), text: `flag "pill": MALFORMED_FLAG`},
		"USER_NOT_SPECIFIED": {reason: ldreason.NewEvalReasonError(ldreason.EvalErrorUserNotSpecified), err: sdks, text: "USER_NOT_SPECIFIED"},
		"WRONG_TYPE":         {reason: ldreason.NewEvalReasonError(ldreason.EvalErrorWrongType), text: "WRONG_TYPE"},
		"EXCEPTION":          {reason: ldreason.NewEvalReasonError(ldreason.EvalErrorException), err: sdks, text: "EXCEPTION"},

		"HEALTHY":        {reason: bigSegments(ldreason.BigSegmentsHealthy), want: conditional("FALLTHROUGH")},
		"STALE":          {reason: bigSegments(ldreason.BigSegmentsStale), want: conditional("FALLTHROUGH")},
		"NOT_CONFIGURED": {reason: bigSegments(ldreason.BigSegmentsNotConfigured), text: "big segment"},
		"STORE_ERROR":    {reason: bigSegments(ldreason.BigSegmentsStoreError), text: "big segment"},
	}
	for _, name := range sdkconst.Values(t, "github.com/launchdarkly/go-sdk-common/v3/ldreason", "EvalReasonKind", "EvalErrorKind", "BigSegmentsStatus") {
		t.Run(name, func(t *testing.T) {
			c, ok := cases[name]
			require.True(t, ok, "the SDK's %s is not in the truth table of decide", name)
			d, err := decided(c.reason, c.err)
			if c.text == "" {
				require.NoError(t, err)
				require.Equal(t, c.want, d)
				return
			}
			require.ErrorContains(t, err, c.text)
			if c.err != nil {
				require.ErrorIs(t, err, c.err)
			}
			if c.wrong != nil {
				require.ErrorIs(t, err, c.wrong)
			}
			if kind := c.reason.GetErrorKind(); kind != "" {
				var ee *EvaluationError
				require.ErrorAs(t, err, &ee)
				require.Equal(t, EvaluationError{Flag: "pill", Kind: kind, Err: c.err}, *ee)
			}
		})
	}
	t.Run("an error beside a good reason", func(t *testing.T) {
		_, err := decided(ldreason.NewEvalReasonFallthrough(), sdks)
		require.ErrorIs(t, err, sdks)
	})
	t.Run("a reason of a newer SDK", func(t *testing.T) {
		var reason ldreason.EvaluationReason
		require.NoError(t, reason.UnmarshalJSON([]byte(`{"kind":"HOLDOUT"}`)))
		_, err := decided(reason, nil)
		require.ErrorContains(t, err, `the reason "HOLDOUT" is unknown here`)
	})
}
