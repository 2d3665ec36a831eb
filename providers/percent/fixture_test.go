package percent_test

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/providers/percent"
)

type weights = percent.Weights

var ctx = context.Background()

// request is the request of one unit in an experiment with the given variants.
func request(key string, variants ...string) core.Request {
	return core.Request{Experiment: "shop_pill_color", Key: key, Variants: append([]string{core.Control}, variants...)}
}

// resolve wants no error, and returns "outside" for a unit that is.
func resolve(t require.TestingT, r core.Rollout, req core.Request) string {
	d, err := r.Resolve(ctx, req)
	if err != nil { // require is slow, and this runs often
		require.NoError(t, err)
	}
	if d.Outside {
		return "outside"
	}
	return cmp.Or(d.Variant, core.Control)
}

// validate is what Define asks of r.
func validate(r core.Rollout, variants ...string) error {
	return r.(core.Validator).Validate("shop_pill_color", append([]string{core.Control}, variants...))
}

// requireShares wants what r gives to units of an experiment with the given
// variants to be split as percents say, within four standard deviations, and
// exactly where that is 0 or 100.
func requireShares(t *testing.T, r core.Rollout, percents map[string]float64, variants ...string) {
	t.Helper()
	const units = 20_000
	counts := map[string]int{}
	for i := range units {
		counts[resolve(t, r, request(fmt.Sprint(i), variants...))]++
	}
	for _, name := range append(variants, core.Control, "outside") {
		share := percents[name] / 100
		require.InDelta(t, units*share, counts[name], 4*math.Sqrt(units*share*(1-share)), "%s in %v", name, counts)
	}
}

// A counter counts under one name, whatever that is.
type counter struct {
	atomic.Int64
	err  error
	name atomic.Value // the last one, and its experiment
}

func (c *counter) Increment(_ context.Context, experiment, name string, by int64) (int64, error) {
	c.name.Store(experiment + " " + name)
	return c.Add(by), c.err
}
