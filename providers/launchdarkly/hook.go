package launchdarkly

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/launchdarkly/go-sdk-common/v3/ldcontext"
	"github.com/launchdarkly/go-sdk-common/v3/ldreason"
	"github.com/launchdarkly/go-sdk-common/v3/ldvalue"
	"github.com/launchdarkly/go-server-sdk/v7/ldhooks"

	"github.com/rolloutkit/rolloutkit/core"
)

var _ ldhooks.Hook = (*Hook)(nil)

// HookOptions say which evaluations of the app's own a [Hook] records. nil and
// the zero value are fine.
type HookOptions struct {
	// Experiment returns the full name of the experiment that a flag stands
	// for, "" for a flag whose evaluations are not to be recorded. nil: a flag
	// is recorded under its own key whenever LaunchDarkly says that the
	// evaluation was part of an experiment of its own.
	Experiment func(flag string) string

	// Unit returns the unit of an evaluation. nil: the context of kind "user"
	// as core.Actor of its key; without one, the key of every kind in the
	// context, as an attribute named like the kind. An experiment that counts
	// the same units by Define has to have the same unit there.
	Unit func(c ldcontext.Context) core.Unit

	// Field and Definitions are those of [Options].
	Field       string
	Definitions *Definitions
}

// A Hook records assignment events for flags that the app evaluates itself. It
// goes into the client's config:
//
//	ld.Config{Hooks: []ldhooks.Hook{launchdarkly.NewHook(experiments, nil)}}
//
// An evaluation of a flag that is off, that failed, or of a unit that is
// outside the experiment's traffic is not recorded. Repetitions are, with the
// same event ID, but for those within one request scope. The assignment is what
// LaunchDarkly answered: it is neither looked up in the store nor kept there.
//
// Evaluations by a [Rollout] on the same client are left out, since the core
// records those. They are known by their method, JSONVariationDetail, with null
// as the default; one of the app's own like that is not recorded either.
type Hook struct {
	ldhooks.Unimplemented
	client *core.Client
	o      HookOptions
}

// NewHook returns a hook that sends its events through client.
func NewHook(client *core.Client, o *HookOptions) *Hook {
	h := &Hook{client: client}
	if o != nil {
		h.o = *o
	}
	h.o.Field = cmp.Or(h.o.Field, DefaultField)
	if h.o.Unit == nil {
		h.o.Unit = unitOf
	}
	return h
}

// Metadata tells the SDK the hook's name.
func (h *Hook) Metadata() ldhooks.Metadata { return ldhooks.NewMetadata("rolloutkit") }

// AfterEvaluation sends the event. The SDK calls it and logs the error.
func (h *Hook) AfterEvaluation(ctx context.Context, series ldhooks.EvaluationSeriesContext,
	data ldhooks.EvaluationSeriesData, detail ldreason.EvaluationDetail,
) (_ ldhooks.EvaluationSeriesData, err error) {
	defer func() {
		if p := recover(); p != nil { // of the options' funcs; the SDK doesn't recover
			err = fmt.Errorf("launchdarkly: the hook panicked: %v", p)
		}
	}()
	return data, h.record(ctx, series, detail)
}

func (h *Hook) record(ctx context.Context, series ldhooks.EvaluationSeriesContext, detail ldreason.EvaluationDetail) error {
	if h.client == nil {
		return errors.New("launchdarkly: the hook has no core.Client")
	}
	if ofRollout(series) || detail.Reason.GetKind() == ldreason.EvalReasonError {
		return nil
	}
	experiment := series.FlagKey()
	if h.o.Experiment != nil {
		experiment = h.o.Experiment(experiment)
	} else if !detail.Reason.IsInExperiment() {
		return nil
	}
	if experiment == "" {
		return nil
	}
	context := series.Context()
	q := question{key: series.FlagKey(), field: h.o.Field, unit: unit{given: &context},
		seen: h.o.Definitions.flag(series.FlagKey()), flags: h.o.Definitions}
	d, err := decide(&q, &detail, nil)
	if err != nil {
		return fmt.Errorf("launchdarkly: %w", err)
	}
	return h.client.TrackAssignment(ctx, experiment, h.o.Unit(context), d)
}

// ofRollout reports whether [Rollout.Resolve] asked.
func ofRollout(series ldhooks.EvaluationSeriesContext) bool {
	return series.DefaultValue().Type() == ldvalue.NullType &&
		(series.Method() == "LDClient.JSONVariationDetail" || series.Method() == "LDClient.JSONVariationDetailCtx")
}

// unitOf returns the unit of a context.
func unitOf(c ldcontext.Context) core.Unit {
	if user := c.IndividualContextByKind(ldcontext.DefaultKind); user.IsDefined() {
		return core.Actor(user.Key())
	}
	attrs := make([]core.Attr, c.IndividualContextCount())
	for i := range attrs {
		one := c.IndividualContextByIndex(i)
		attrs[i] = core.String(string(one.Kind()), one.Key())
	}
	return core.NewUnit(attrs...)
}
