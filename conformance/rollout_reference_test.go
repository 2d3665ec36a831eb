package conformance

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/rolloutkit/rolloutkit/core"
)

// A system is a flag system in memory, as plain as can be: what the laws are
// tried on.
type system struct {
	mu    sync.RWMutex
	flags map[string]Flag
}

func (s *system) set(f Flag) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flags[f.Experiment] = f
}

func (s *system) flag(name string) (Flag, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	f, ok := s.flags[name]
	return f, ok && !f.Missing
}

// A reference is a rollout over a system.
type reference struct {
	sys     *system // nil: never ready
	salt    string  // of its hash
	boolean bool    // names no variants
	draws   bool    // at random
}

func (r *reference) Resolve(_ context.Context, req core.Request) (core.Decision, error) {
	if r.sys == nil {
		return core.Decision{}, fmt.Errorf("reference: %w", core.ErrNotReady)
	}
	f, ok := r.sys.flag(req.Experiment)
	if !ok {
		return core.Decision{}, fmt.Errorf("reference: %q: %w", req.Experiment, core.ErrFlagNotFound)
	}
	d := core.Decision{State: state(f), Reason: "reference"}
	if r.draws && d.State != core.Off {
		d.State = core.Conditional
		d.Choose = func(context.Context) (string, error) {
			return r.named(pick(f, rand.IntN(100), rand.IntN(10_000))), nil
		}
		return d, nil
	}
	variant, targeted := f.Targets[req.Key]
	if !targeted {
		variant = pick(f, r.bucket("in", req)%100, r.bucket("which", req)%10_000)
	}
	if d.Variant = r.named(variant); d.Variant == core.AnyVariant && len(req.Variants) > 2 {
		d.State = core.Conditional
	}
	return d, nil
}

func (r *reference) named(variant string) string {
	if r.boolean && variant != core.Control {
		return core.AnyVariant
	}
	return variant
}

// bucket hashes with FNV-1a, whose weak low bits are mixed as murmur3 ends.
func (r *reference) bucket(salt string, req core.Request) int {
	sum := uint64(0xcbf29ce484222325)
	for _, part := range [...]string{r.salt, "|", salt, "|", req.Experiment, "|", req.Key} {
		for i := range len(part) {
			sum = (sum ^ uint64(part[i])) * 0x100000001b3
		}
	}
	sum = (sum ^ sum>>33) * 0xff51afd7ed558ccd
	sum = (sum ^ sum>>33) * 0xc4ceb9fe1a85ec53
	return int(sum >> 33)
}

// state derives the state from the weights alone, as a flag system would, and
// takes the law's word for disabled.
func state(f Flag) core.State {
	switch {
	case f.State == core.Off:
		return core.Off
	case len(f.Targets) > 0:
		return core.Conditional
	}
	for name, share := range f.Weights {
		if share == 100 && name != core.Control {
			return core.On
		}
	}
	return core.Conditional
}

// pick selects by in, of a hundred, and then chooses by which, of ten thousand,
// so that growing all variants in proportion moves nobody between them.
func pick(f Flag, in, which int) string {
	selected := 100 - f.Weights[core.Control]
	if in >= selected {
		return core.Control
	}
	cut := 0
	names := f.Names()[1:]
	for _, name := range names {
		cut += f.Weights[name] * 10_000 / selected
		if which < cut {
			return name
		}
	}
	return names[len(names)-1]
}

// over returns the harness of references like r.
func over(r reference) Harness {
	return Harness{
		Name: "reference",
		New: func(_ *testing.T, f Flag) (core.Rollout, func(Flag)) {
			made := r
			made.sys = &system{flags: map[string]Flag{}}
			made.sys.set(f)
			return &made, made.sys.set
		},
		NotReady: func(*testing.T) core.Rollout { return &reference{} },
	}
}

// The kinds of flag systems that the laws have to do justice to.
func references() map[string]Harness {
	boolean := over(reference{boolean: true})
	boolean.Unsupported = map[core.Capability]string{core.NamesVariants: "flags are on or off"}

	draws := over(reference{draws: true})
	draws.Unsupported = map[core.Capability]string{
		core.Deterministic: "draws at random",
		core.Targets:       "does not look at the unit",
		core.ReportsOn:     "draws whatever the weights are",
	}

	// Knows all or nothing, in one flag that never changes.
	least := over(reference{boolean: true})
	least.NotReady = nil
	least.Unsupported = map[core.Capability]string{}
	for _, c := range core.Capabilities() {
		least.Unsupported[c] = "can do nothing"
	}
	makes := least.New
	least.New = func(t *testing.T, f Flag) (core.Rollout, func(Flag)) {
		r, _ := makes(t, f)
		return core.RolloutFunc(func(ctx context.Context, req core.Request) (core.Decision, error) {
			d, err := r.Resolve(ctx, req)
			if err != nil {
				return core.Decision{}, nil
			}
			if d.State == core.On {
				d.State = core.Conditional
			}
			return d, nil
		}), nil
	}

	remote := over(reference{})
	remote.Remote = "asks a server"
	makesRemote := remote.New
	remote.New = func(t *testing.T, f Flag) (core.Rollout, func(Flag)) {
		r, set := makesRemote(t, f)
		return core.RolloutFunc(func(ctx context.Context, req core.Request) (core.Decision, error) {
			if err := ctx.Err(); err != nil {
				return core.Decision{}, err
			}
			return r.Resolve(ctx, req)
		}), set
	}
	return map[string]Harness{
		"names": over(reference{}), "boolean": boolean, "draws": draws, "least": least, "remote": remote,
	}
}
