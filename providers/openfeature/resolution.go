package openfeature

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	of "github.com/open-feature/go-sdk/openfeature"

	"github.com/rolloutkit/rolloutkit/core"
)

// The keys of a Provider's flag metadata.
const (
	metaExperiment = "experiment"
	metaKey        = "key"
	metaSource     = "source"
	metaOrigin     = "origin"
	metaState      = DefaultStateKey // so that a Rollout over a Provider reads it
	metaTracked    = "tracked"
	metaDegraded   = "degraded"
)

// staleReason is a reason of the specification that go-sdk has no constant for.
const staleReason of.Reason = "STALE"

// resolutionOf maps an assignment to what OpenFeature says of an evaluation.
//
//	source                                     reason           value
//	off                                        DISABLED         the caller's default
//	opted-out, unassigned, excluded, outside   DEFAULT          control's
//	manual, forced, segmented                  TARGETING_MATCH  the variant's
//	stored                                     CACHED           the variant's
//	stored, though the rollout failed          STALE            the variant's
//	resolved, on                               STATIC           the variant's
//	resolved, conditional                      SPLIT            the variant's
//	no-unit, anonymous                         ERROR            the caller's default, TARGETING_KEY_MISSING
//	no-unit, a unit fault                      ERROR            the caller's default, INVALID_CONTEXT
//	error, ErrNotReady                         ERROR            the caller's default, PROVIDER_NOT_READY
//	error, ErrFlagNotFound                     ERROR            the caller's default, FLAG_NOT_FOUND
//	error, any other                           ERROR            the caller's default, GENERAL
//
// A subject that can't be made of the attributes is INVALID_CONTEXT, or
// TARGETING_KEY_MISSING where they have no targeting key; a behaviour that fails
// or panics is GENERAL; a value of another type is TYPE_MISMATCH.
func resolutionOf(a *core.Assignment) of.ProviderResolutionDetail {
	d := of.ProviderResolutionDetail{Variant: a.Variant, Reason: of.DefaultReason, FlagMetadata: metadataOf(a)}
	switch a.Source {
	case core.SourceOff:
		d.Reason, d.Variant = of.DisabledReason, ""
	case core.SourceManual, core.SourceForced, core.SourceSegmented:
		d.Reason = of.TargetingMatchReason
	case core.SourceStored:
		d.Reason = of.CachedReason
		if rolloutFailed(a) {
			d.Reason = staleReason
		}
	case core.SourceResolved:
		d.Reason = of.SplitReason
		if a.State == core.On {
			d.Reason = of.StaticReason
		}
	case core.SourceNoUnit:
		if a.Err == nil {
			return failed(d, of.NewTargetingKeyMissingResolutionError("the unit is anonymous"))
		}
		return failed(d, of.NewInvalidContextResolutionError(a.Err.Error()))
	case core.SourceError:
		return failed(d, resolutionError(a.Err))
	}
	return d
}

func resolutionError(err error) of.ResolutionError {
	switch {
	case err == nil:
		return of.NewGeneralResolutionError("the experiment can't be decided")
	case errors.Is(err, core.ErrNotReady):
		return of.NewProviderNotReadyResolutionError(err.Error())
	case errors.Is(err, core.ErrFlagNotFound):
		return of.NewFlagNotFoundResolutionError(err.Error())
	}
	return of.NewGeneralResolutionError(err.Error(), err)
}

func failed(d of.ProviderResolutionDetail, err of.ResolutionError) of.ProviderResolutionDetail {
	d.Reason, d.Variant, d.ResolutionError = of.ErrorReason, "", err
	return d
}

func metadataOf(a *core.Assignment) of.FlagMetadata {
	m := of.FlagMetadata{
		metaExperiment: a.Experiment,
		metaSource:     string(a.Source),
		metaState:      a.State.String(),
		metaTracked:    a.Tracked,
		metaDegraded:   a.Degraded,
	}
	if a.Key != "" {
		m[metaKey] = a.Key
	}
	if a.Origin != "" {
		m[metaOrigin] = string(a.Origin)
	}
	return m
}

// recorded reports whether metadata is that of a Provider, in this process or in
// another that answers over the network. The core has sent the event then.
func recorded(m of.FlagMetadata) bool {
	source, _ := m[metaSource].(string)
	switch core.Source(source) {
	case core.SourceOptedOut, core.SourceNoUnit, core.SourceOff, core.SourceError, core.SourceManual, core.SourceForced,
		core.SourceStored, core.SourceUnassigned, core.SourceExcluded, core.SourceOutside, core.SourceSegmented, core.SourceResolved:
		return m[metaExperiment] != nil
	}
	return false
}

// resolve runs the experiment of a flag. ok is false if the caller is to get the
// default.
func (p *Provider) resolve(ctx context.Context, flag string, attrs of.FlattenedContext) (value any, ok bool, d of.ProviderResolutionDetail) {
	defer func() {
		if r := recover(); r != nil { // of a behaviour: the SDK does not recover
			err := panicked(r)
			p.log.warn(ctx, flag, err)
			value, ok, d = nil, false, failed(of.ProviderResolutionDetail{}, of.NewGeneralResolutionError(fmt.Sprintf("the experiment panicked: %v", r), err))
		}
	}()
	refused := func(err of.ResolutionError) (any, bool, of.ProviderResolutionDetail) {
		return nil, false, failed(of.ProviderResolutionDetail{}, err)
	}
	if !p.ready.Load() {
		return refused(of.NewProviderNotReadyResolutionError("the provider is not registered, or was shut down"))
	}
	b, found := p.lookup(flag)
	if !found {
		return refused(of.NewFlagNotFoundResolutionError(unbound(flag).Error()))
	}
	ctx, err := p.enter(ctx, flag)
	if err != nil {
		p.log.warn(ctx, flag, err)
		return refused(of.NewGeneralResolutionError(err.Error(), err))
	}
	trial, err := b.For(attrs)
	if err != nil {
		if key, _ := attrs[of.TargetingKey].(string); key == "" {
			return refused(of.NewTargetingKeyMissingResolutionError(err.Error()))
		}
		return refused(of.NewInvalidContextResolutionError(err.Error()))
	}
	value, err = trial.RunAny(ctx)
	a := trial.Assign(ctx)
	p.health.note(&a)
	d = resolutionOf(&a)
	switch {
	case d.Reason == of.ErrorReason || d.Reason == of.DisabledReason:
		return nil, false, d
	case err != nil:
		return nil, false, failed(d, of.NewGeneralResolutionError(fmt.Sprintf("the behaviour of %s failed: %v", a.Variant, err), err))
	}
	return value, true, d
}

// typed resolves a flag to a value of type T.
func typed[T any](ctx context.Context, p *Provider, flag string, fallback T, attrs of.FlattenedContext, to func(reflect.Value) (T, bool)) of.GenericResolutionDetail[T] {
	value, ok, detail := p.resolve(ctx, flag, attrs)
	r := of.GenericResolutionDetail[T]{Value: fallback, ProviderResolutionDetail: detail}
	if !ok || value == nil {
		return r
	}
	v := reflect.ValueOf(value)
	switch v.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Slice:
		if v.IsNil() {
			return r
		}
	}
	converted, ok := to(v)
	if !ok {
		r.ProviderResolutionDetail = failed(detail, of.NewTypeMismatchResolutionError(
			fmt.Sprintf("the behaviours of experiment %s return %v", flag, v.Type())))
		return r
	}
	r.Value = converted
	return r
}

// toKind converts types of T's kind.
func toKind[T any](v reflect.Value) (value T, ok bool) {
	t := reflect.TypeFor[T]()
	if v.Kind() == t.Kind() {
		value, ok = v.Convert(t).Interface().(T)
	}
	return value, ok
}

func toInt(v reflect.Value) (int64, bool) {
	switch {
	case v.CanInt():
		return v.Int(), true
	case v.CanUint() && int64(v.Uint()) >= 0:
		return int64(v.Uint()), true
	}
	return 0, false
}

// toFloat takes whole numbers too, where they stay what they are.
func toFloat(v reflect.Value) (float64, bool) {
	if v.CanFloat() {
		return v.Float(), true
	}
	n, ok := toInt(v)
	return float64(n), ok && int64(float64(n)) == n
}

func toObject(v reflect.Value) (any, bool) {
	switch v.Kind() {
	case reflect.Struct, reflect.Map, reflect.Slice, reflect.Array, reflect.Pointer:
		return v.Interface(), true
	}
	return nil, false
}
