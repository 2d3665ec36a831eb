package launchdarkly

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/launchdarkly/go-sdk-common/v3/ldcontext"
	"github.com/launchdarkly/go-sdk-common/v3/ldreason"
	"github.com/launchdarkly/go-sdk-common/v3/ldvalue"
	ld "github.com/launchdarkly/go-server-sdk/v7"
	"github.com/launchdarkly/go-server-sdk/v7/interfaces"

	"github.com/rolloutkit/rolloutkit/core"
)

var (
	_ core.Rollout   = (*Rollout)(nil)
	_ core.Validator = (*Rollout)(nil)
	_ core.Describer = (*Rollout)(nil)
)

// A Rollout decides experiments by LaunchDarkly's flags. It is safe for many
// goroutines. It never closes its client.
type Rollout struct {
	client *ld.LDClient
	silent interfaces.LDClientInterface // the client without events
	o      Options
	units  contextBuilder
	fault  error // of the arguments of New
}

// New returns a rollout over the team's own client, whether or not that is
// connected yet. nil options are fine. What is wrong with them is an error of
// every Resolve and of Validate, so that Define refuses the experiment.
func New(client *ld.LDClient, o *Options) *Rollout {
	r := &Rollout{client: client}
	if o != nil {
		r.o = *o
	}
	r.o.Field = cmp.Or(r.o.Field, DefaultField)
	var faults [3]error
	if client == nil {
		faults[0] = errors.New("launchdarkly: the client is nil")
	} else {
		r.silent = client.WithEventsDisabled(true)
	}
	if r.o.Exposure > ExposureBoth {
		faults[1] = fmt.Errorf("launchdarkly: %v is unknown", r.o.Exposure)
	}
	r.units, faults[2] = newContextBuilder(&r.o)
	r.fault = errors.Join(faults[:]...)
	return r
}

// Resolve evaluates the experiment's flag once. It never blocks on
// LaunchDarkly: a client that lost its connection or is closed answers with the
// last flags it had, and one that never had any gives an error that wraps
// [core.ErrNotReady]. Only a persistent data store does I/O, on a miss of its
// cache.
//
// The client's hooks run. They get ctx where the exposure lets LaunchDarkly
// send events; the SDK's silent client has no way to hand it on.
func (r *Rollout) Resolve(ctx context.Context, q core.Request) (core.Decision, error) {
	if r.fault != nil {
		return core.Decision{}, r.fault
	}
	about := question{key: r.flagKey(q.Experiment), field: r.o.Field, variants: len(q.Variants),
		unit: unit{builder: &r.units, key: q.Key, traits: q.Traits}}
	if r.o.Exposure != ExposureOurs || !about.unit.plain() {
		return r.resolve(ctx, &about)
	}
	// The usual case, apart from the others because large values on a stack
	// take as long as the rest of what is done here. The default is null, for a
	// flag's value may be of any type: with another default the silent client
	// refuses values of other types. The Hook knows these evaluations by it.
	_, detail, err := r.silent.JSONVariationDetail(about.key, ldcontext.NewWithKind(r.units.kind, q.Key), ldvalue.Null())
	return r.read(&about, &detail, err)
}

// resolve is Resolve for units with traits, and for exposures that LaunchDarkly
// counts.
func (r *Rollout) resolve(ctx context.Context, q *question) (core.Decision, error) {
	unit, err := r.units.context(q.unit.key, q.unit.traits)
	if err != nil {
		return core.Decision{}, fmt.Errorf("the unit's context: %w", err)
	}
	var detail ldreason.EvaluationDetail
	if r.o.Exposure == ExposureOurs {
		_, detail, err = r.silent.JSONVariationDetail(q.key, unit, ldvalue.Null())
	} else {
		_, detail, err = r.client.JSONVariationDetailCtx(ctx, q.key, unit, ldvalue.Null())
	}
	return r.read(q, &detail, err)
}

// read returns the decision that an evaluation means.
func (r *Rollout) read(q *question, detail *ldreason.EvaluationDetail, err error) (core.Decision, error) {
	q.seen, q.flags = r.o.Definitions.flag(q.key), r.o.Definitions
	return decide(q, detail, err)
}

func (r *Rollout) flagKey(experiment string) string {
	if r.o.Flag == nil {
		return experiment
	}
	return r.o.Flag(experiment)
}

// Validate returns what is wrong with the options, and an error for an
// experiment whose flag's key LaunchDarkly would not accept. It does not look
// at flags: nobody's change in LaunchDarkly shall keep a service from starting.
func (r *Rollout) Validate(experiment string, _ []string) error {
	if r.fault != nil {
		return r.fault
	}
	if key := r.flagKey(experiment); !legalKey(key) {
		return fmt.Errorf("launchdarkly: %q is no flag key: letters, digits and . _ - are allowed, beginning with a letter or digit; see Options.Flag", key)
	}
	return nil
}

// legalKey reports whether LaunchDarkly would accept a flag of that key.
func legalKey(key string) bool {
	for i := range len(key) {
		switch c := key[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case i > 0 && (c == '.' || c == '_' || c == '-'):
		default:
			return false
		}
	}
	return key != ""
}

// Describe says what the rollout can do. It reports On only with Definitions,
// and no stable ramp: LaunchDarkly cuts a rollout in the order of the flag's
// variations, so growing one variation moves the cuts of those after it.
func (r *Rollout) Describe() core.Description {
	d := core.Description{
		Name:   "launchdarkly",
		Detail: fmt.Sprintf("context kind %s, exposure %v, field %s", cmp.Or(r.o.Kind, DefaultKind), r.o.Exposure, r.o.Field),
		Capabilities: []core.Capability{core.NamesVariants, core.ExactWeights, core.Targets,
			core.ReportsMissing, core.ReportsNotReady, core.Reloads, core.Deterministic},
	}
	if r.o.KeyTrait != "" {
		d.Detail += ", key " + r.o.KeyTrait
	}
	if r.o.Definitions != nil {
		d.Detail += ", with definitions"
		d.Capabilities = append(d.Capabilities, core.ReportsOn)
	}
	return d
}
