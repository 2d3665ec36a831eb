package conformance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rolloutkit/rolloutkit/core"
)

// callers is how many goroutines ask at the same time.
const callers = 32

// What the laws on answers say.
const (
	sentenceRepeats    = "A rollout that draws at random instead answers by Decision.Choose and says that it is not deterministic."
	sentenceInstances  = "The same request and the same flag give the same answer, from every instance and in every process."
	sentenceRequest    = "A request is neither kept nor changed; its slices belong to the caller."
	sentenceCancelled  = "A cancelled ctx does not change what can be decided without I/O."
	sentenceCalm       = "It does not panic and does not block."
	sentenceConcurrent = "The core calls Resolve at most once per trial, from many goroutines at the same time."
	sentenceReloads    = "A flag can be changed while the rollout is in use."
)

func answerLaws() []law[*rolloutSetup] {
	return []law[*rolloutSetup]{
		{"repeats", sentenceRepeats, needs(core.ExactWeights), checkRepeats},
		{"instances-agree", sentenceInstances, needs(core.Deterministic, core.ExactWeights), checkInstances},
		{"request-unchanged", sentenceRequest, nil, checkRequestUnchanged},
		{"request-not-kept", sentenceRequest, nil, checkRequestNotKept},
		{"cancelled-ctx", sentenceCancelled, nil, checkCancelled},
		{"calm", sentenceCalm, nil, checkCalm},
		{"concurrent", sentenceConcurrent, needs(core.ExactWeights), checkConcurrent},
		{"reloads", sentenceReloads, needs(core.Reloads), checkReloads},
	}
}

func checkRepeats(s *rolloutSetup) {
	r := s.rollout(splitting)
	for u := range some {
		req := r.request(unitKey("unit", u))
		first, err := r.resolve(context.Background(), req)
		second, again := r.resolve(context.Background(), req)
		if err = errors.Join(err, again); err != nil {
			s.addf("unit %s: %v", req.Key[:8], err)
		} else if a, b := s.read(first), s.read(second); a != b {
			s.addf("unit %s: answers %v, then %v", req.Key[:8], a, b)
		}
	}
}

func checkInstances(s *rolloutSetup) {
	one, other := s.rollout(splitting), s.rollout(splitting)
	for u := range some {
		req := one.request(unitKey("unit", u))
		a, errA := one.ask(req)
		b, errB := other.ask(req)
		switch {
		case errA != nil || errB != nil:
			s.addf("unit %s: %v", req.Key[:8], errors.Join(errA, errB))
		case a.drawn || b.drawn:
			s.addf("unit %s: is drawn by Choose, but the harness does not opt out of %s", req.Key[:8], core.Deterministic)
		case a != b:
			s.addf("unit %s: one instance answers %v, another %v", req.Key[:8], a, b)
		}
	}
}

// checkRequestUnchanged looks beyond the length of the slices too, where an
// append of the rollout's would write.
func checkRequestUnchanged(s *rolloutSetup) {
	r := s.rollout(fullyOn)
	traits := append(make([]core.Attr, 0, 8), core.String("plan", "pro"), core.Int("age", 7), core.Bool("beta", true))
	variants := append(make([]string, 0, 8), s.variants...)
	variantsBefore, traitsBefore := slices.Clone(variants[:8]), slices.Clone(traits[:8])
	for u := range some {
		req := core.Request{Experiment: r.flag.Experiment, Key: unitKey("unit", u), Variants: variants, Traits: traits}
		if _, err := r.ask(req); err != nil {
			s.addf("unit %s: %v", req.Key[:8], err)
		}
	}
	if !slices.Equal(variants[:8], variantsBefore) {
		s.addf("Request.Variants was %q and is %q", variantsBefore, variants[:8])
	}
	if !slices.Equal(traits[:8], traitsBefore) {
		s.addf("Request.Traits was changed")
	}
}

// checkRequestNotKept writes over the slices after every call, as the core may.
// Under -race a rollout that still reads them in another goroutine shows too.
func checkRequestNotKept(s *rolloutSetup) {
	r := s.rollout(fullyOn)
	for u := range some {
		req := r.request(unitKey("unit", u))
		req.Traits = []core.Attr{core.String("plan", "pro")}
		if a, err := r.ask(req); err != nil || a.variant != core.Candidate {
			s.addf("unit %s, after the slices of earlier requests were written over: answers %v, error %v", req.Key[:8], a, err)
		}
		for i := range req.Variants {
			req.Variants[i] = "written-over"
		}
		req.Traits[0] = core.String("written-over", "yes")
	}
}

func checkCancelled(s *rolloutSetup) {
	r := s.rollout(fullyOn)
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	for u := range some {
		req := r.request(unitKey("unit", u))
		live, err := r.resolve(context.Background(), req)
		if err != nil {
			s.addf("unit %s: %v", req.Key[:8], err)
			continue
		}
		dead, err := r.resolve(cancelled, req)
		switch a, b := s.read(live), s.read(dead); {
		case err != nil && s.harness.Remote == "":
			s.addf("unit %s: with a cancelled ctx: %v", req.Key[:8], err)
		case err == nil && a != b:
			s.addf("unit %s: answers %v, with a cancelled ctx %v", req.Key[:8], a, b)
		}
	}
}

// checkCalm asks what no app should ask. Any decision and any error will do.
func checkCalm(s *rolloutSetup) {
	r := s.rollout(fullyOn)
	expired, cancel := context.WithDeadline(context.Background(), time.Unix(0, 0))
	defer cancel()
	for _, odd := range []struct {
		what   string
		change func(req *core.Request)
	}{
		{"the zero request", func(req *core.Request) { *req = core.Request{} }},
		{"no key", func(req *core.Request) { req.Key = "" }},
		{"a key of a megabyte", func(req *core.Request) { req.Key = strings.Repeat("a", 1<<20) }},
		{"a key that is no UTF-8", func(req *core.Request) { req.Key = "\xff\xfe\x00" }},
		{"no experiment", func(req *core.Request) { req.Experiment = "" }},
		{"an experiment of another's name", func(req *core.Request) { req.Experiment += "_of_somebody_else" }},
		{"an experiment that is no UTF-8", func(req *core.Request) { req.Experiment = "\xff/../%00" }},
		{"no variants", func(req *core.Request) { req.Variants = nil }},
		{"control alone", func(req *core.Request) { req.Variants = []string{core.Control} }},
		{"other variants", func(req *core.Request) { req.Variants = []string{core.Control, "x", "y"} }},
		{"a trait without a name", func(req *core.Request) { req.Traits = make([]core.Attr, 1) }},
		{"traits that share a name", func(req *core.Request) {
			req.Traits = []core.Attr{core.Int("key", 1), core.Bool("key", true), core.String("", "")}
		}},
	} {
		req := r.request(unitKey("unit", 0))
		odd.change(&req)
		for _, ctx := range []context.Context{context.Background(), expired} {
			if problem := guarded(func() { _, _ = r.resolve(ctx, req) }); problem != "" {
				s.addf("%s: %s", odd.what, problem)
			}
		}
	}
}

// checkConcurrent compares what callers hear alone with what they hear among
// others, and draws among others where there is something to draw.
func checkConcurrent(s *rolloutSetup) {
	r := s.rollout(splitting)
	alone := make([]answer, some)
	for u := range alone {
		d, err := r.resolve(context.Background(), r.request(unitKey("unit", u)))
		if err != nil {
			s.addf("unit %d: %v", u, err)
		}
		alone[u] = s.read(d)
	}
	s.parallel(callers, func(g int) {
		for i := range alone {
			u := (i*7 + g*31) % some // every caller in an order of its own
			a, err := r.ask(r.request(unitKey("unit", u)))
			same := a == alone[u]
			if a.drawn {
				same = a.state == alone[u].state && slices.Contains(s.variants, a.variant)
			}
			if err != nil || !same {
				s.addf("unit %d: answers %v alone, and %v, error %v, among %d callers", u, alone[u], a, err, callers)
			}
		}
	})
}

// checkReloads changes the flag back and forth while others keep asking. What
// those hear is open, since a change takes its time; they are there for -race,
// and are no progress to the watchdog.
func checkReloads(s *rolloutSetup) {
	r := s.rollout(fullyOn)
	stop, stopped := make(chan struct{}), make(chan struct{})
	defer func() { close(stop); <-stopped }()
	go func() {
		defer close(stopped)
		s.parallel(4, func(int) {
			for u := 0; ; u++ {
				select {
				case <-stop:
					return
				case <-time.After(time.Millisecond):
					_, _ = r.Resolve(context.Background(), r.request(unitKey("other", u)))
				}
			}
		})
	}()
	for i, f := range []Flag{fullyOn, disabled, fullyOn} {
		changed := r
		if i > 0 {
			changed = r.change(f)
		}
		changed.expect(some, fmt.Sprintf("%v, as the flag is after change %d", f.State, i), func(a answer) bool {
			return a.state.Enabled() == f.State.Enabled()
		})
	}
}
