package conformance

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rolloutkit/rolloutkit/core"
)

// callers is how many goroutines ask at the same time.
const callers = 32

func answerLaws() []Law {
	return []Law{
		{
			ID:       "repeats",
			Sentence: "A rollout that draws at random instead answers by Decision.Choose and says that it is not deterministic.",
			Needs:    []core.Capability{core.ExactWeights},
			Flags:    []Flag{{State: core.Conditional, Weights: half}},
			check:    checkRepeats,
		},
		{
			ID:       "instances-agree",
			Sentence: "The same request and the same flag give the same answer, from every instance and in every process.",
			Needs:    []core.Capability{core.Deterministic, core.ExactWeights},
			Flags:    []Flag{{State: core.Conditional, Weights: half}},
			check:    checkInstances,
		},
		{
			ID:       "request-unchanged",
			Sentence: "A request is neither kept nor changed; its slices belong to the caller.",
			Flags:    []Flag{{State: core.On, Weights: all}},
			check:    checkRequestUnchanged,
		},
		{
			ID:       "request-not-kept",
			Sentence: "A request is neither kept nor changed; its slices belong to the caller.",
			Flags:    []Flag{{State: core.On, Weights: all}},
			check:    checkRequestNotKept,
		},
		{
			ID:       "cancelled-ctx",
			Sentence: "A cancelled ctx does not change what can be decided without I/O.",
			Flags:    []Flag{{State: core.On, Weights: all}},
			check:    checkCancelled,
		},
		{
			ID:       "calm",
			Sentence: "It does not panic and does not block.",
			Flags:    []Flag{{State: core.On, Weights: all}},
			check:    checkCalm,
		},
		{
			ID:       "concurrent",
			Sentence: "The core calls Resolve at most once per trial, from many goroutines at the same time.",
			Needs:    []core.Capability{core.ExactWeights},
			Flags:    []Flag{{State: core.Conditional, Weights: half}},
			check:    checkConcurrent,
		},
		{
			ID:       "reloads",
			Sentence: "A flag can be changed while the rollout is in use.",
			Needs:    []core.Capability{core.Reloads},
			Flags: []Flag{
				{State: core.On, Weights: all},
				{State: core.Off, Weights: half},
				{State: core.On, Weights: all},
			},
			check: checkReloads,
		},
	}
}

func checkRepeats(s *setup) []string {
	r := s.rollout(0)
	var f faults
	for u := range some {
		req := s.request(0, unitKey("unit", u))
		first, err := s.resolve(context.Background(), r, req)
		if err != nil {
			f.addf("unit %s: %v", req.Key[:8], err)
			continue
		}
		second, err := s.resolve(context.Background(), r, req)
		if err != nil {
			f.addf("unit %s: %v", req.Key[:8], err)
			continue
		}
		if a, b := s.read(first), s.read(second); a != b {
			f.addf("unit %s: answers %v, then %v", req.Key[:8], a, b)
		}
	}
	return f.done()
}

func checkInstances(s *setup) []string {
	one, other := s.rollout(0), s.rollout(0)
	var f faults
	for u := range some {
		req := s.request(0, unitKey("unit", u))
		a, errA := s.ask(one, req)
		b, errB := s.ask(other, req)
		switch {
		case errA != nil || errB != nil:
			f.addf("unit %s: %v", req.Key[:8], errors.Join(errA, errB))
		case a.drawn || b.drawn:
			f.addf("unit %s: is drawn by Choose, but the harness does not opt out of %s", req.Key[:8], core.Deterministic)
		case a != b:
			f.addf("unit %s: one instance answers %v, another %v", req.Key[:8], a, b)
		}
	}
	return f.done()
}

// checkRequestUnchanged looks beyond the length of the slices too, where an
// append of the rollout's would write.
func checkRequestUnchanged(s *setup) []string {
	r := s.rollout(0)
	traits := append(make([]core.Attr, 0, 8), core.String("plan", "pro"), core.Int("age", 7), core.Bool("beta", true))
	variants := append(make([]string, 0, 8), s.variants...)
	variantsBefore, traitsBefore := slices.Clone(variants[:8]), slices.Clone(traits[:8])
	var f faults
	for u := range some {
		req := core.Request{Experiment: s.flags[0].Experiment, Key: unitKey("unit", u), Variants: variants, Traits: traits}
		if _, err := s.ask(r, req); err != nil {
			f.addf("unit %s: %v", req.Key[:8], err)
		}
	}
	if !slices.Equal(variants[:8], variantsBefore) {
		f.addf("Request.Variants was %q and is %q", variantsBefore, variants[:8])
	}
	if !slices.Equal(traits[:8], traitsBefore) {
		f.addf("Request.Traits was changed")
	}
	return f.done()
}

// checkRequestNotKept writes over the slices after every call, as the core may.
// Under -race a rollout that still reads them in another goroutine shows too.
func checkRequestNotKept(s *setup) []string {
	r := s.rollout(0)
	var f faults
	for u := range some {
		req := s.request(0, unitKey("unit", u))
		req.Traits = []core.Attr{core.String("plan", "pro")}
		a, err := s.ask(r, req)
		switch {
		case err != nil:
			f.addf("unit %s, after the slices of earlier requests were written over: %v", req.Key[:8], err)
		case a.variant != core.Candidate:
			f.addf("unit %s, after the slices of earlier requests were written over: answers %v", req.Key[:8], a)
		}
		for i := range req.Variants {
			req.Variants[i] = "written-over"
		}
		req.Traits[0] = core.String("written-over", "yes")
	}
	return f.done()
}

func checkCancelled(s *setup) []string {
	r := s.rollout(0)
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	var f faults
	for u := range some {
		req := s.request(0, unitKey("unit", u))
		live, err := s.resolve(context.Background(), r, req)
		if err != nil {
			f.addf("unit %s: %v", req.Key[:8], err)
			continue
		}
		dead, err := s.resolve(cancelled, r, req)
		if err != nil {
			if s.harness.Remote == "" {
				f.addf("unit %s: with a cancelled ctx: %v", req.Key[:8], err)
			}
			continue
		}
		if a, b := s.read(live), s.read(dead); a != b {
			f.addf("unit %s: answers %v, with a cancelled ctx %v", req.Key[:8], a, b)
		}
	}
	return f.done()
}

// checkCalm asks what no app should ask. Any decision and any error will do.
func checkCalm(s *setup) []string {
	r := s.rollout(0)
	name, key := s.flags[0].Experiment, unitKey("unit", 0)
	odd := []struct {
		what string
		req  core.Request
	}{
		{"the zero request", core.Request{}},
		{"no key", core.Request{Experiment: name, Variants: s.variants}},
		{"a key of a megabyte", core.Request{Experiment: name, Key: strings.Repeat("a", 1<<20), Variants: s.variants}},
		{"a key that is no UTF-8", core.Request{Experiment: name, Key: "\xff\xfe\x00", Variants: s.variants}},
		{"no experiment", core.Request{Key: key, Variants: s.variants}},
		{"an experiment of another's name", core.Request{Experiment: name + "_of_somebody_else", Key: key, Variants: s.variants}},
		{"an experiment that is no UTF-8", core.Request{Experiment: "\xff/../%00", Key: key, Variants: s.variants}},
		{"no variants", core.Request{Experiment: name, Key: key}},
		{"control alone", core.Request{Experiment: name, Key: key, Variants: []string{core.Control}}},
		{"other variants", core.Request{Experiment: name, Key: key, Variants: []string{core.Control, "x", "y"}}},
		{"a trait without a name", core.Request{Experiment: name, Key: key, Variants: s.variants, Traits: make([]core.Attr, 1)}},
		{"traits that share a name", core.Request{Experiment: name, Key: key, Variants: s.variants,
			Traits: []core.Attr{core.Int("key", 1), core.Bool("key", true), core.String("", "")}}},
	}
	expired, cancel := context.WithDeadline(context.Background(), time.Unix(0, 0))
	defer cancel()
	var f faults
	for _, o := range odd {
		for _, ctx := range []context.Context{context.Background(), expired} {
			if problem := guarded(func() { _, _ = s.resolve(ctx, r, o.req) }); problem != "" {
				f.addf("%s: %s", o.what, problem)
			}
		}
	}
	return f.done()
}

// checkConcurrent compares what callers hear alone with what they hear among
// others, and draws among others where there is something to draw.
func checkConcurrent(s *setup) []string {
	r := s.rollout(0)
	alone := make([]answer, some)
	var f faults
	for u := range alone {
		d, err := s.resolve(context.Background(), r, s.request(0, unitKey("unit", u)))
		if err != nil {
			f.addf("unit %d: %v", u, err)
		}
		alone[u] = s.read(d)
	}
	var mu sync.Mutex
	problems := s.parallel(callers, func(g int) {
		for i := range alone {
			u := (i*7 + g*31) % some // every caller in an order of its own
			a, err := s.ask(r, s.request(0, unitKey("unit", u)))
			same := a == alone[u]
			if a.drawn {
				same = a.state == alone[u].state && slices.Contains(s.variants, a.variant)
			}
			if err != nil || !same {
				mu.Lock()
				f.addf("unit %d: answers %v alone, and %v, error %v, among %d callers", u, alone[u], a, err, callers)
				mu.Unlock()
			}
		}
	})
	return append(f.done(), problems...)
}

// checkReloads changes the flag back and forth while others keep asking. What
// those hear is open, since a change takes its time; they are there for -race,
// and are no progress to the watchdog.
func checkReloads(s *setup) []string {
	r := s.rollout(0)
	var f faults
	stop, asking := make(chan struct{}), make(chan []string, 1)
	go func() {
		asking <- s.parallel(4, func(int) {
			for u := 0; ; u++ {
				select {
				case <-stop:
					return
				case <-time.After(time.Millisecond):
					_, _ = r.Resolve(context.Background(), s.request(0, unitKey("other", u)))
				}
			}
		})
	}()
	finish := sync.OnceValue(func() []string { close(stop); return <-asking })
	defer finish()
	for i, flag := range s.flags {
		if i > 0 {
			s.change(i)
		}
		s.each(r, i, some, &f, func(key string, a answer) {
			if a.state.Enabled() != flag.State.Enabled() {
				f.addf("unit %s: answers %v after change %d, which made the flag %v", key[:8], a, i, flag.State)
			}
		})
	}
	return append(f.done(), finish()...)
}
