package core

import (
	"context"
	"time"
)

// A Definition says what an experiment is: who takes part, what they see, and
// who decides. S is the app's own type of a subject, such as *User or
// *http.Request, R what a behaviour returns. [Define] checks it; it is copied,
// so changing it afterwards changes nothing.
type Definition[S, R any] struct {
	// Name is the experiment's name without the client's prefix. With it, it
	// matches ^[a-z][a-z0-9_./-]{0,99}$.
	Name string

	// Unit tells what an assignment sticks to. It is asked once per trial,
	// with the subject as given, nil included. A panic is a unit fault.
	Unit func(subject S) Unit

	// Control is the original behaviour. Its Name is empty or "control".
	Control Variant[S, R]

	// Variants are the other behaviours. Their names match
	// ^[A-Za-z0-9][A-Za-z0-9_. -]{0,99}$.
	Variants []Variant[S, R]

	// Exclusions keep units out of the experiment: the first that matches gives
	// control, untracked. [Config.Exclusions] come before them. A rule that
	// panics excludes.
	Exclusions []Rule[S]

	// Segments send units into a given variant, instead of the rollout: the
	// first that matches counts. A segment that panics does not match.
	Segments []Segment[S]

	// Rollout decides whether the experiment runs and who gets what. nil is the
	// client's, and if that is nil too, [Even].
	Rollout Rollout

	// Enabled is asked before the rollout and is the cheapest way out: false is
	// Off. nil is true. A panic counts as an error of the rollout.
	Enabled func(ctx context.Context) bool

	// OnlyAssigned closes enrolment at every call site: a unit that has no
	// stored assignment gets control, untracked.
	OnlyAssigned bool

	// StickyControl makes resolved controls final: no later ramp moves them.
	StickyControl bool

	// StickyExclusions stores what a rule excluded, so that the unit stays out
	// when the rule no longer matches.
	StickyExclusions bool

	// StickyPolicy says whether a stored assignment wins over an exclusion that
	// matches later. The zero value is StickyFirst: it does.
	StickyPolicy StickyPolicy

	// TransientControl does not store resolved controls, which keeps the store
	// small and lets every ramp reach everybody, but biases the comparison:
	// controls that become excluded or change their key drop out, variants stay. It excludes
	// StickyControl.
	TransientControl bool

	// Retired names variants that the experiment once had. Their stored
	// assignments count as absent and are replaced. Without it, an assignment
	// to an unknown variant is left alone, since a newer process may know it.
	Retired []string

	// Around wraps the behaviours; see [Around]. [Config.Around] comes first.
	Around []Around

	// About says for people why the experiment exists, Ends when it should be
	// over. Neither is part of any decision.
	About About
	Ends  time.Time
}

// A Variant is one behaviour: a constant Value, or a function. Run wins if both
// are set.
type Variant[S, R any] struct {
	Name  string
	Value R

	// Run gets the ctx of the call, and the subject as given, nil included. An
	// error or a panic is the app's and reaches the caller.
	Run func(ctx context.Context, subject S) (R, error)
}

// A Rule matches the subjects for which If returns true. Name is for people, in
// [Assignment.Rule] and logs; unnamed rules are called by their place, such as
// "exclusion 1".
type Rule[S any] struct {
	Name string
	If   func(ctx context.Context, subject S) bool
}

// A Segment is a [Rule] that sends those who match into one variant. Control is
// a legal target.
type Segment[S any] struct {
	Name    string
	If      func(ctx context.Context, subject S) bool
	Variant string
}

// About describes an experiment for people.
type About struct {
	Hypothesis, Metric, Target, Owner, URL string
}

// A StickyPolicy says which wins: a stored assignment, or an exclusion that
// matches later.
type StickyPolicy uint8

const (
	// StickyFirst: the stored assignment. Who is in an experiment stays in it.
	StickyFirst StickyPolicy = iota
	// ExclusionFirst: the exclusion. The stored assignment stays where it is
	// and counts again when the rule no longer matches.
	ExclusionFirst
)
