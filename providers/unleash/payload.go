package unleash

import (
	"fmt"

	"github.com/Unleash/unleash-client-go/v4/api"

	"github.com/rolloutkit/rolloutkit/core"
)

// Payload returns the payload that the experiment's toggle holds for a variant,
// the zero Payload where it holds none. The rollout itself never looks at
// payloads. It is looked up by name and nothing is evaluated, so a stored or
// forced assignment has the payload of the variant that it is, and no count
// goes up. Call it in the variant's behaviour.
//
// Errors wrap core.ErrFlagNotFound, core.ErrNotReady, and
// core.ErrUnknownVariant if the toggle names no such variant. Strategies that
// give one variant different payloads are an error too, since an assignment
// does not know its strategy.
func (r *Rollout) Payload(experiment, variant string) (api.Payload, error) {
	if r.fault != nil {
		return api.Payload{}, r.fault
	}
	of, err := r.source.load(false)
	if err != nil {
		return api.Payload{}, err
	}
	f, err := r.find(experiment, of)
	if err != nil {
		return api.Payload{}, err
	}
	lists := [][]api.VariantInternal{f.Variants}
	for i := range f.Strategies {
		lists = append(lists, f.Strategies[i].Variants)
	}
	var found *api.Payload
	for _, list := range lists {
		for i := range list {
			switch v := &list[i]; {
			case v.Name != variant:
			case found == nil:
				found = &v.Payload
			case *found != v.Payload:
				return api.Payload{}, fmt.Errorf("toggle %q: variant %q has different payloads in different strategies", f.Name, variant)
			}
		}
	}
	if found == nil {
		return api.Payload{}, fmt.Errorf("toggle %q: %w %q", f.Name, core.ErrUnknownVariant, variant)
	}
	return *found, nil
}
