package launchdarkly

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/launchdarkly/go-sdk-common/v3/ldcontext"
	"github.com/launchdarkly/go-sdk-common/v3/ldreason"
	"github.com/launchdarkly/go-sdk-common/v3/ldvalue"
	"github.com/launchdarkly/go-server-sdk-evaluation/v3/ldmodel"

	"github.com/rolloutkit/rolloutkit/core"
)

// A question is what one evaluation was about.
type question struct {
	key      string // of the flag
	field    string // of JSON flags
	variants int    // behaviours of the experiment, control included
	seen     *ldmodel.FeatureFlag
	flags    *Definitions // where prerequisites are looked up; not asked if seen is nil
	unit     unit
}

// decide reads one evaluation: what the SDK answered, and its error, which is
// nil for many failures too, so that the reason is what counts. This is the
// whole of what LaunchDarkly's words mean here, from go-server-sdk v7.14.6 with
// go-server-sdk-evaluation v3.0.1. "Seen" is the flag's definition, by
// [DataStore]; without it, the lines that ask for one don't apply.
//
//	reason                seen                                    decision
//	OFF                                                           Off
//	PREREQUISITE_FAILED   the prerequisite holds for some units   Conditional, control; Outside if the flag
//	                                                              has an experiment (2)
//	                      it holds for nobody, or not seen        Off
//	FALLTHROUGH,          one outcome: control                    Off
//	TARGET_MATCH or       one outcome: another, and prerequisites
//	RULE_MATCH            hold for all                            On, the variant
//	                      several, by a rollout that goes by
//	                      what the unit doesn't have (1)          error
//	                      several, by an experiment, and not
//	                      inExperiment                            Conditional, Outside
//	                      several, control, and not inExperiment
//	                      of a flag that has an experiment (2)    Conditional, Outside
//	                      any other, or not seen                  Conditional, the variant
//	ERROR CLIENT_NOT_READY                                        error, wraps core.ErrNotReady
//	ERROR FLAG_NOT_FOUND                                          error, wraps core.ErrFlagNotFound
//	ERROR MALFORMED_FLAG, WRONG_TYPE, EXCEPTION,
//	      USER_NOT_SPECIFIED, any other                           error
//	any other reason                                              error
//
//	big segments: NOT_CONFIGURED, STORE_ERROR                     error: membership is unknown
//	big segments: HEALTHY, STALE                                  as above
//
//	value                                                         variant
//	string                                                        of that name, "" for control
//	true                                                          AnyVariant; where the experiment has several,
//	                                                              On becomes Conditional
//	false                                                         control
//	object                                                        what its field holds: a string, true or false
//	null, number, array, object without the field                 error
//
// The off variation is never served: a flag that is off means control, whatever
// it would have given.
//
// (1) A kind of context, or an attribute: LaunchDarkly gives all such units the
// first variation and calls it FALLTHROUGH.
//
// (2) Another rule's, a holdout's: the unit is no control of the experiment. A
// unit that a target or a rule gives another variant gets and counts for it,
// though LaunchDarkly doesn't count it: a flag is obeyed.
func decide(q *question, detail *ldreason.EvaluationDetail, err error) (core.Decision, error) {
	reason := &detail.Reason
	kind := reason.GetKind()
	d := core.Decision{Reason: reasonText(kind, reason)}
	switch {
	case kind == ldreason.EvalReasonError:
		return d, &EvaluationError{Flag: q.key, Kind: reason.GetErrorKind(), Err: err}
	case err != nil:
		return d, &EvaluationError{Flag: q.key, Kind: ldreason.EvalErrorException, Err: err}
	}
	switch status := reason.GetBigSegmentsStatus(); status {
	case ldreason.BigSegmentsNotConfigured, ldreason.BigSegmentsStoreError:
		return d, fmt.Errorf("flag %q: whether the unit is in a big segment is unknown: %s", q.key, status)
	}

	var branch *ldmodel.VariationOrRollout // that decided, nil if a target did or it was not seen
	switch kind {
	case ldreason.EvalReasonOff:
		return d, nil
	case ldreason.EvalReasonPrerequisiteFailed:
		if q.seen != nil && outcomesOf(q.seen, q.flags, 0).gates(q) {
			d.State, d.Outside = core.Conditional, experiments(q.seen)
		}
		return d, nil
	case ldreason.EvalReasonFallthrough:
		if q.seen != nil {
			branch = &q.seen.Fallthrough
		}
	case ldreason.EvalReasonRuleMatch:
		if i := reason.GetRuleIndex(); q.seen != nil && 0 <= i && i < len(q.seen.Rules) {
			branch = &q.seen.Rules[i].VariationOrRollout
		}
	case ldreason.EvalReasonTargetMatch:
	default:
		return d, fmt.Errorf("flag %q: the reason %q is unknown here", q.key, *reason)
	}

	if d.Variant, err = q.variant(&detail.Value); err != nil {
		return d, err
	}
	d.State = core.Conditional
	if q.seen == nil {
		return d, nil
	}
	// The definition may have changed since the evaluation, so On and Off are
	// said only where the two agree.
	if o := outcomesOf(q.seen, q.flags, 0); !o.several && o.first == detail.VariationIndex.OrElse(none) {
		switch {
		case d.Variant == "" || d.Variant == core.Control:
			d.State = core.Off
		case !o.gated && (d.Variant != core.AnyVariant || q.variants <= 2):
			d.State = core.On
		}
		return d, nil
	}
	if branch != nil && !branch.Variation.IsDefined() {
		if err := bucketable(q, branch); err != nil {
			return d, err
		}
		d.Outside = experiment(&branch.Rollout) && !reason.IsInExperiment()
	}
	if d.Variant == "" || d.Variant == core.Control {
		d.Outside = experiments(q.seen) && !reason.IsInExperiment()
	}
	return d, nil
}

// reasonText returns the reason as LaunchDarkly calls it, with the rule, the
// prerequisite or the error that it names.
func reasonText(kind ldreason.EvalReasonKind, r *ldreason.EvaluationReason) string {
	switch kind {
	case ldreason.EvalReasonRuleMatch:
		return string(kind) + " " + r.GetRuleID()
	case ldreason.EvalReasonPrerequisiteFailed:
		return string(kind) + " " + r.GetPrerequisiteKey()
	case ldreason.EvalReasonError:
		return string(kind) + " " + string(r.GetErrorKind())
	}
	return string(kind)
}

// variant returns the variant that a flag's value names.
func (q *question) variant(value *ldvalue.Value) (string, error) {
	named := value
	kind := value.Type()
	if kind == ldvalue.ObjectType {
		named = q.fieldOf(value)
		kind = named.Type()
	}
	switch kind {
	case ldvalue.StringType:
		if name := named.StringValue(); name != core.AnyVariant {
			return name, nil
		}
	case ldvalue.BoolType:
		if named.BoolValue() {
			return core.AnyVariant, nil
		}
		return core.Control, nil
	}
	return "", fmt.Errorf("flag %q: the value %s names no variant: that takes a string, a boolean, or an object with one of them as %q: %w",
		q.key, value.JSONString(), q.field, core.ErrUnknownVariant)
}

func (q *question) fieldOf(value *ldvalue.Value) *ldvalue.Value {
	field := value.GetByKey(q.field)
	return &field
}

// bucketable returns an error if the rollout goes by something that the unit
// doesn't have. LaunchDarkly then gives all such units the first variation, and
// says nothing.
func bucketable(q *question, branch *ldmodel.VariationOrRollout) error {
	kind := cmp.Or(branch.Rollout.ContextKind, ldcontext.DefaultKind)
	if byKey(&branch.Rollout) && q.unit.kind() == kind || !(outcomes{first: none}).with(branch).several {
		return nil
	}
	return lacking(q, &branch.Rollout, kind)
}

// byKey reports whether a rollout goes by the key of a context, as all do that
// name no attribute.
func byKey(r *ldmodel.Rollout) bool { return experiment(r) || !r.BucketBy.IsDefined() }

// lacking is the rest of bucketable, for units of several kinds or with traits.
func lacking(q *question, r *ldmodel.Rollout, kind ldcontext.Kind) error {
	unit := q.unit.context()
	one := unit.IndividualContextByKind(kind)
	if !one.IsDefined() {
		return fmt.Errorf("flag %q: its rollout goes by contexts of kind %q, and the unit's is %s: see Options.Kind and Kinds",
			q.key, kind, kinds(unit))
	}
	if v := one.GetValueForRef(r.BucketBy); !byKey(r) && !v.IsString() && !v.IsInt() {
		return fmt.Errorf("flag %q: its rollout goes by the attribute %q, and the unit has no text or whole number of that name",
			q.key, r.BucketBy)
	}
	return nil
}

// kinds names the kinds of a context, and nothing else of it.
func kinds(c ldcontext.Context) string {
	var names []string
	for i := range c.IndividualContextCount() {
		names = append(names, fmt.Sprintf("%q", c.IndividualContextByIndex(i).Kind()))
	}
	return strings.Join(names, " and ")
}

// An EvaluationError says that LaunchDarkly could not evaluate a flag. It wraps
// [core.ErrNotReady] or [core.ErrFlagNotFound] where the kind means that, and
// the SDK's own error.
type EvaluationError struct {
	Flag string
	Kind ldreason.EvalErrorKind
	Err  error // the SDK's; nil for MALFORMED_FLAG and when offline
}

// Error returns the flag, the kind and the SDK's error.
func (e *EvaluationError) Error() string {
	text := fmt.Sprintf("flag %q: %s", e.Flag, e.Kind)
	if s := e.sentinel(); s != nil {
		text += ": " + s.Error()
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns the core's error for the kind, if it has one, and the SDK's.
func (e *EvaluationError) Unwrap() []error {
	var errs []error
	if s := e.sentinel(); s != nil {
		errs = append(errs, s)
	}
	if e.Err != nil {
		errs = append(errs, e.Err)
	}
	return errs
}

func (e *EvaluationError) sentinel() error {
	switch e.Kind {
	case ldreason.EvalErrorClientNotReady:
		return core.ErrNotReady
	case ldreason.EvalErrorFlagNotFound:
		return core.ErrFlagNotFound
	}
	return nil
}
