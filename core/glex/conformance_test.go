package glex_test

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rolloutkit/rolloutkit/conformance"
	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/glex"
)

func TestPercentConforms(t *testing.T) {
	conformance.Run(t, conformance.Harness{
		Name: "glex-percent",
		New: func(_ *testing.T, f conformance.Flag) (core.Rollout, func(conformance.Flag)) {
			if f.State == core.Off {
				f.Weights = map[string]int{core.Control: 100} // there is no other way to switch a draw off
			}
			return &programmed{flag: f, draws: map[string]*glex.PercentRollout{}}, nil
		},
		Unsupported: map[core.Capability]string{
			core.ExactWeights:    "the gem's draw gives the first share one hundredth of all units more than it says and the last one less, which is kept as it is",
			core.StableRamp:      "the gem's draw walks the shares from one end, so that growing one moves units between those behind it",
			core.Targets:         "the gem's draw names no single units",
			core.Reloads:         "the draw is part of the program and can't change while it runs",
			core.ReportsMissing:  "the draw is part of the program; no flag can be missing",
			core.ReportsNotReady: "the draw is part of the program; it is always ready",
		},
	})
}

// A programmed rollout draws as a flag of the suite says. The gem wants a share
// for every behaviour, so it makes a draw per list of variants.
type programmed struct {
	flag  conformance.Flag
	mu    sync.Mutex
	draws map[string]*glex.PercentRollout
}

func (p *programmed) Resolve(ctx context.Context, r core.Request) (core.Decision, error) {
	return p.among(r.Variants).Resolve(ctx, r)
}

func (p *programmed) among(variants []string) *glex.PercentRollout {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := strings.Join(variants, "|")
	if p.draws[key] == nil {
		d := glex.Draw{Version: glex.V09}
		for _, name := range slices.Compact(slices.Sorted(slices.Values(append(p.flag.Names(), variants...)))) {
			d.Hash = append(d.Hash, glex.Share{Variant: name, Percent: float64(p.flag.Weights[name])})
		}
		// The largest first, because the first share gets a hundredth more, and
		// as many as there are behaviours, known or not.
		slices.SortStableFunc(d.Hash, func(a, b glex.Share) int { return cmp.Compare(b.Percent, a.Percent) })
		d.Hash = d.Hash[:len(variants)]
		p.draws[key] = glex.Percent(d)
	}
	return p.draws[key]
}

func (p *programmed) Describe() core.Description {
	return p.among([]string{core.Control, core.Candidate}).Describe()
}
