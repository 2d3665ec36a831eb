package percent_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/providers/percent"
)

// A flag system with flags that are on or off says whom an experiment is for;
// the weights say who of them gets what.
func ExampleBehind() {
	staff := core.RolloutFunc(func(_ context.Context, r core.Request) (core.Decision, error) {
		d := core.Decision{State: core.Conditional, Variant: core.Control, Reason: "targeted: staff"}
		if strings.HasSuffix(r.Key, "0") { // in place of a real flag's rule
			d.Variant = core.AnyVariant
		}
		return d, nil
	})
	groups := split(percent.Behind(staff, percent.Weights{"control": 50, "candidate": 50}))
	fmt.Println(groups)

	groups = split(percent.Behind(staff, percent.Weights{"control": 50, "candidate": 50}, percent.UnselectedOutside))
	fmt.Println(groups)
	// Output:
	// map[candidate:495 control:9505]
	// map[candidate:495 control:505 outside:9000]
}
