package core_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/rolloutkit/rolloutkit/core"
)

// TestAFleetAgrees lets processes with different weights assign the same units
// at the same time: all of them serve what one of them wrote first.
func TestAFleetAgrees(t *testing.T) {
	l := newLab(t, nil)
	var got [8][500]string
	var wg sync.WaitGroup
	for i := range got {
		e := l.define(func(c *core.Config, _ *definition) {
			c.Rollout = &flag{d: []core.Decision{red, blue}[i%2]}
		})
		wg.Go(func() {
			for _, u := range rand.Perm(len(got[i])) {
				got[i][u] = e.Assign(ctx, &user{ID: fmt.Sprint(u)}).Variant
			}
		})
	}
	wg.Wait()
	for i := range got {
		require.Equal(t, got[0], got[i])
	}
}

// TestRulesHoldInAnyOrder lets things happen to the flag and the unit, and runs
// the experiment after each.
func TestRulesHoldInAnyOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		sticky := rapid.Bool().Draw(rt, "sticky exclusions")
		policy := rapid.SampledFrom([]core.StickyPolicy{core.StickyFirst, core.ExclusionFirst}).Draw(rt, "policy")
		transient := rapid.Bool().Draw(rt, "transient control")
		l := newLab(t, func(c *core.Config, d *definition) {
			excludeSubscribed(c, d)
			c.AllowForced = true
			d.StickyExclusions, d.StickyPolicy, d.TransientControl = sticky, policy, transient
			d.Segments = []core.Segment[*user]{{Name: "old", If: old, Variant: "blue"}}
		})
		var was core.Assignment
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			u := &user{ID: "1", Subscribed: rapid.Bool().Draw(rt, "subscribed"), Old: rapid.Bool().Draw(rt, "old")}
			state := rapid.SampledFrom([]core.State{core.Off, core.Conditional, core.On}).Draw(rt, "state")
			name := rapid.SampledFrom([]string{"control", "red", "blue"}).Draw(rt, "variant")
			if state == core.On && name == "control" {
				name = "red"
			}
			l.flag.d = core.Decision{State: state, Variant: name, Outside: state == core.Conditional && rapid.IntRange(0, 4).Draw(rt, "outside") == 0}
			l.flag.err = nil
			if rapid.IntRange(0, 5).Draw(rt, "failure") == 0 {
				l.flag.err = errFlag
			}
			callCtx := ctx
			forced := rapid.SampledFrom([]string{"", "", "", "red", "blue", "green"}).Draw(rt, "forced")
			if forced != "" {
				callCtx = core.WithForced(ctx, "pill_color", forced)
			}
			l.events.Take()
			trial := l.exp.For(u)
			if rapid.IntRange(0, 4).Draw(rt, "only assigned") == 0 {
				trial.OnlyAssigned()
			}
			excluded := rapid.IntRange(0, 5).Draw(rt, "exclude") == 0
			if excluded {
				trial.Exclude()
			}
			_, err := trial.Run(callCtx)
			require.NoError(rt, err)
			a := trial.Assign(callCtx)
			events := l.events.Take()

			require.Contains(rt, l.exp.Variants(), a.Variant, "only known variants")
			require.Equal(rt, a.Tracked, len(events) == 1, "tracked means that the event leaves")
			if excluded {
				require.False(rt, a.Tracked)
			}
			if a.Excluded {
				require.Equal(rt, core.Control, a.Variant, "excluded implies control")
				require.False(rt, a.Tracked, "excluded implies untracked")
			}
			switch {
			case l.flag.err != nil:
				require.Equal(rt, core.SourceError, a.Source)
			case state == core.Off:
				require.Equal(rt, core.SourceOff, a.Source, "forced never beats off")
				require.Equal(rt, core.Control, a.Variant)
			case forced == "red" || forced == "blue":
				require.Equal(rt, forced, a.Variant, "forced beats stored and excluded")
			case was.Variant != "" && was.Variant != core.Control && a.Source == core.SourceStored:
				require.Equal(rt, was.Variant, a.Variant, "a stored variant stays")
			}
			if a.Source == core.SourceResolved && a.State == core.On {
				require.NotEqual(rt, core.Control, a.Variant, "on never yields control")
			}
			switch a.Source {
			case core.SourceManual, core.SourceForced, core.SourceStored, core.SourceSegmented, core.SourceResolved:
				was = a
			}
		}
	})
}
