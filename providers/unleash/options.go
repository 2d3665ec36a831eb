package unleash

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	ucontext "github.com/Unleash/unleash-client-go/v4/context"

	"github.com/rolloutkit/rolloutkit/core"
)

// Options configure a [Rollout]. The zero value is fine: the toggle of an
// experiment has its full name.
type Options struct {
	// Storage is the one that the client was made with. nil means that it has
	// another: the rollout then keeps a copy of all toggles, see Refresh, and
	// can't tell that the client was closed.
	Storage *Storage

	// Refresh is how long a copy of the toggles is used where Storage is nil: a
	// change of a toggle is seen that much later. Making one costs the client
	// about half a microsecond per toggle. 0 means a second.
	Refresh time.Duration

	// Prefix goes before an experiment's full name to make its toggle's.
	Prefix string

	// Toggles are the names of toggles by the full name of their experiment, for
	// those that go another way than Prefix.
	Toggles map[string]string

	// Context returns the context that a request is evaluated in, given the one
	// that it would be otherwise: the key as UserId and SessionId, and the
	// traits. It is called from many goroutines at the same time and keeps
	// neither. One that drops the key has Unleash hash on something else, or
	// draw at random, which is an error unless AllowRandom says otherwise. nil
	// means no change.
	Context func(r core.Request, c ucontext.Context) ucontext.Context

	// Boolean has the rollout not look at variants: a selected unit gets
	// core.AnyVariant whatever the toggle names.
	Boolean bool

	// UnselectedOutside keeps the units that a toggle does not select out of the
	// experiment: for toggles whose variants hold a control group of their own.
	// Without it they are the control group.
	UnselectedOutside bool

	// AllowRandom permits toggles that Unleash draws anew at every evaluation:
	// those of stickiness "random", and those that are sticky on a field which
	// the context lacks. The client then needs a store to keep what was drawn,
	// and Define refuses an experiment without. Without AllowRandom such a
	// toggle is an error.
	AllowRandom bool

	// Strategies are the names of strategies that the client was given by
	// WithStrategies. A toggle with another unknown one selects nobody.
	Strategies []string
}

// Validate is called by core.Define. It refuses an experiment that no toggle can
// stand for. It does not look at toggles, since they may come later, and since
// a change in Unleash must not keep an app from starting.
func (r *Rollout) Validate(experiment string, variants []string) error {
	if r.fault != nil {
		return fmt.Errorf("unleash: %w", r.fault)
	}
	var faults []error
	name, given := r.opts.Toggles[experiment]
	switch {
	case given && name == "":
		faults = append(faults, errors.New("unleash: Options.Toggles names no toggle"))
	case !given && !legalName(r.opts.Prefix+experiment):
		faults = append(faults, fmt.Errorf("unleash: no toggle can be called %q: Unleash permits 1 to 100 of "+
			"A-Z, a-z, 0-9 and _ . ~ -; name one in Options.Toggles", r.opts.Prefix+experiment))
	}
	if slices.Contains(variants, disabled) {
		faults = append(faults, errors.New(`unleash: no variant can be called "disabled": for the Unleash client that is none`))
	}
	return errors.Join(faults...)
}

// legalName reports whether unleash-server 8.2.0 permits a toggle of that name.
func legalName(name string) bool {
	for _, c := range name {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '_', c == '.', c == '~', c == '-':
		default:
			return false
		}
	}
	return 1 <= len(name) && len(name) <= 100 && name != "." && name != ".."
}

// Describe tells the name "unleash" and the options that matter.
func (r *Rollout) Describe() core.Description {
	d := core.Description{Name: "unleash", NeedsStore: r.opts.AllowRandom}
	for _, c := range core.Capabilities() {
		switch {
		case c == core.NamesVariants && r.opts.Boolean:
		case c == core.Deterministic && r.opts.AllowRandom:
		default:
			d.Capabilities = append(d.Capabilities, c)
		}
	}
	detail := []string{"toggles " + r.opts.Prefix + "<experiment>"}
	for experiment, toggle := range r.opts.Toggles {
		detail = append(detail, experiment+" by "+toggle)
	}
	for option, set := range map[string]bool{
		"variants ignored":   r.opts.Boolean,
		"unselected outside": r.opts.UnselectedOutside,
		"random allowed":     r.opts.AllowRandom,
	} {
		if set {
			detail = append(detail, option)
		}
	}
	slices.Sort(detail[1:])
	d.Detail = strings.Join(detail, ", ")
	return d
}
