package core

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// An Experiment runs one definition on one client. It is safe for many
// goroutines. Make it with [Define], once, or with [Inline] at its only call
// site.
type Experiment[S, R any] struct {
	*experiment
	def Definition[S, R]
}

// An experiment is all of an [Experiment] that does not depend on its types.
type experiment struct {
	client   *Client
	name     string
	variants []string // control first
	retired  []string
	rollout  Rollout
	provider string // the rollout's name, for errors
	enabled  func(context.Context) bool
	around   []Around
	about    About
	ends     time.Time
	inline   bool
	fault    error // of an inline definition: serve control

	exclusions []string // their names
	segments   []segment

	onlyAssigned, stickyControl, stickyExclusions bool
	exclusionFirst, transientControl              bool
}

// A segment is a [Segment] without its rule.
type segment struct{ name, variant string }

// Define checks a definition and registers it on the client. All faults are
// joined in one error, and then the experiment is nil. A name can be defined
// once per client.
func Define[S, R any](c *Client, def Definition[S, R]) (*Experiment[S, R], error) {
	if c == nil {
		return nil, fmt.Errorf("core: experiment %q: the client is nil", def.Name)
	}
	e := build(c, def)
	faults := e.check()
	if len(faults) == 0 {
		faults = e.checkRollout()
	}
	if err := e.joinFaults(faults); err != nil {
		return nil, err
	}
	if err := c.register(e.experiment); err != nil {
		return nil, err
	}
	return e, nil
}

// MustDefine is [Define] for package variables and main: it panics on an error.
func MustDefine[S, R any](c *Client, def Definition[S, R]) *Experiment[S, R] {
	e, err := Define(c, def)
	if err != nil {
		panic(err)
	}
	return e
}

// build makes an experiment of a definition, unchecked.
func build[S, R any](c *Client, def Definition[S, R]) *Experiment[S, R] {
	s := &experiment{
		client: c, name: c.fullName(def.Name), rollout: def.Rollout, enabled: def.Enabled,
		retired: slices.Clone(def.Retired), about: def.About, ends: def.Ends,
		onlyAssigned: def.OnlyAssigned, stickyControl: def.StickyControl, stickyExclusions: def.StickyExclusions,
		exclusionFirst: def.StickyPolicy == ExclusionFirst, transientControl: def.TransientControl,
	}
	if s.rollout == nil {
		s.rollout = c.cfg.Rollout
	}
	if s.rollout == nil {
		s.rollout = Even
	}
	s.provider = providerName(s.rollout)
	s.variants = append(make([]string, 0, 1+len(def.Variants)), Control)
	def.Variants = slices.Clone(def.Variants)
	for _, v := range def.Variants {
		s.variants = append(s.variants, v.Name)
	}
	def.Exclusions = slices.Clone(def.Exclusions)
	for i := range def.Exclusions {
		def.Exclusions[i].Name = ruleName("exclusion", def.Exclusions[i].Name, i)
		s.exclusions = append(s.exclusions, def.Exclusions[i].Name)
	}
	def.Segments = slices.Clone(def.Segments)
	for i := range def.Segments {
		def.Segments[i].Name = ruleName("segment", def.Segments[i].Name, i)
		s.segments = append(s.segments, segment{def.Segments[i].Name, def.Segments[i].Variant})
	}
	s.around = slices.Concat(c.cfg.Around, def.Around)
	return &Experiment[S, R]{experiment: s, def: def}
}

func ruleName(what, name string, i int) string {
	if name != "" {
		return name
	}
	return fmt.Sprintf("%s %d", what, i+1)
}

// check returns the faults of the definition, all but those of the rollout.
func (e *Experiment[S, R]) check() []error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	def, s := &e.def, e.experiment
	switch {
	case def.Name == "":
		fault("the name is missing")
	case !legalName(s.name):
		fault("the full name %q is not allowed: 1 to 100 of a-z, 0-9 and _ . / -, beginning with a letter", s.name)
	}
	if def.Unit == nil {
		fault("Unit is missing: without it nobody knows what an assignment sticks to")
	}
	if def.Control.Name != "" && def.Control.Name != Control {
		fault("control is called %q; leave its name empty", def.Control.Name)
	}
	for i, name := range s.variants[1:] {
		switch {
		case name == Control:
			fault("variant %d is called control, which is the name of Control", i+1)
		case !legalVariant(name):
			fault("the variant name %q is not allowed: 1 to 100 of A-Z, a-z, 0-9, space and _ . -, beginning with a letter or digit", name)
		case slices.Contains(s.variants[:i+1], name):
			fault("there are two variants called %q", name)
		}
	}
	for _, r := range def.Exclusions {
		if r.If == nil {
			fault("%q has no If", r.Name)
		}
	}
	for _, g := range def.Segments {
		if g.If == nil {
			fault("%q has no If", g.Name)
		}
		if !s.has(g.Variant) {
			fault("%q sends into %q; the variants are %q", g.Name, g.Variant, s.variants)
		}
	}
	for _, name := range s.retired {
		switch {
		case s.has(name):
			fault("%q is retired and defined", name)
		case !legalVariant(name):
			fault("the retired name %q is no variant name", name)
		}
	}
	if slices.ContainsFunc(def.Around, func(a Around) bool { return a == nil }) {
		fault("an Around is nil")
	}
	if def.StickyControl && def.TransientControl {
		fault("StickyControl keeps controls for good and TransientControl does not keep them: choose one")
	}
	if def.StickyPolicy > ExclusionFirst {
		fault("StickyPolicy(%d) is unknown", def.StickyPolicy)
	}
	return faults
}

// checkRollout returns what the rollout has against the experiment.
func (s *experiment) checkRollout() (faults []error) {
	defer func() {
		if p := recover(); p != nil {
			faults = append(faults, fmt.Errorf("%s: panic: %s", s.provider, panicText(p)))
		}
	}()
	if d, ok := s.rollout.(Describer); ok && d.Describe().NeedsStore && s.client.cfg.Store == nil {
		faults = append(faults, fmt.Errorf("%s draws at random, and the client has no Store to keep what it drew", s.provider))
	}
	if v, ok := s.rollout.(Validator); ok {
		if err := v.Validate(s.name, slices.Clone(s.variants)); err != nil {
			faults = append(faults, err)
		}
	}
	return faults
}

// joined returns the faults as one error that names the experiment.
func (s *experiment) joinFaults(faults []error) error {
	if len(faults) == 0 {
		return nil
	}
	return fmt.Errorf("core: experiment %q: %w", s.name, errors.Join(faults...))
}

// Name returns the full name, prefix included.
func (s *experiment) Name() string { return s.name }

// Variants returns the names of all behaviours, control first.
func (s *experiment) Variants() []string { return slices.Clone(s.variants) }

func (s *experiment) has(variant string) bool { return slices.Contains(s.variants, variant) }

// legalName reports whether a full name matches ^[a-z][a-z0-9_./-]{0,99}$.
func legalName(name string) bool {
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z':
		case i > 0 && ('0' <= c && c <= '9' || c == '_' || c == '.' || c == '/' || c == '-'):
		default:
			return false
		}
	}
	return 1 <= len(name) && len(name) <= 100
}

// legalVariant reports whether name matches ^[A-Za-z0-9][A-Za-z0-9_. -]{0,99}$.
func legalVariant(name string) bool {
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case i > 0 && (c == '_' || c == '.' || c == ' ' || c == '-'):
		default:
			return false
		}
	}
	return 1 <= len(name) && len(name) <= 100
}

// Run assigns the subject's unit, sends the assignment event, publishes, and
// runs the behaviour of the variant. The error is the behaviour's alone.
func (e *Experiment[S, R]) Run(ctx context.Context, subject S) (R, error) {
	var t Trial[S, R]
	t.begin(e, subject)
	return t.Run(ctx)
}

// Assign returns what the subject's unit gets, and stores it. No event is sent
// and no behaviour runs.
func (e *Experiment[S, R]) Assign(ctx context.Context, subject S) Assignment {
	var t Trial[S, R]
	t.begin(e, subject)
	t.resolve(ctx, t.ask)
	return t.a
}

// Publish is Run without the behaviour: for experiments that the client side
// shows.
func (e *Experiment[S, R]) Publish(ctx context.Context, subject S) Assignment {
	var t Trial[S, R]
	t.begin(e, subject)
	return t.Publish(ctx)
}

// Track sends an event of the app's own for the subject's unit, which is
// assigned if it was not. See [Trial.Track].
func (e *Experiment[S, R]) Track(ctx context.Context, subject S, ev Event) error {
	var t Trial[S, R]
	t.begin(e, subject)
	return t.Track(ctx, ev)
}

// For returns a trial: the subject's encounter with the experiment, for what
// one call site wants to be different.
func (e *Experiment[S, R]) For(subject S) *Trial[S, R] {
	t := new(Trial[S, R])
	t.begin(e, subject)
	return t
}
