package core

import "context"

// A question is one that only the app's own code can answer.
type question uint8

const (
	askOptOut    question = iota
	askUnit               // answered in trial.unit
	askShared             // the i-th of Config.Exclusions
	askExclusion          // the i-th of the definition's
	askSegment            // the i-th segment
)

// questionWords are for the log and for errors.
var questionWords = [...]string{"OptOut", "Unit", "exclusion", "exclusion", "segment"}

// An ask puts a question to the app's own code. It is handed down as a parameter
// and answers by a bool, since whatever keeps it or takes more from it moves the
// whole trial to the heap.
type ask func(ctx context.Context, q question, i int) bool

// optedOut asks Config.OptOut. A panic is taken for a yes.
func (t *trial) optedOut(ctx context.Context, ask ask) (out bool) {
	defer t.exp.catch(ctx, questionWords[askOptOut], "", nil)
	out = true
	return ask(ctx, askOptOut, 0)
}

// isExcluded asks the call site, then the rules, once per trial: those of the
// client before those of the definition. A rule that panics excludes.
func (t *trial) isExcluded(ctx context.Context, ask ask) bool {
	if t.ruled || t.excluded {
		return t.excluded || t.rule != ""
	}
	t.ruled = true
	for i, r := range t.exp.client.cfg.Exclusions {
		if t.excludes(ctx, ask, askShared, i, r.Name) {
			return true
		}
	}
	for i, name := range t.exp.exclusions {
		if t.excludes(ctx, ask, askExclusion, i, name) {
			return true
		}
	}
	return false
}

func (t *trial) excludes(ctx context.Context, ask ask, q question, i int, name string) bool {
	match, ok := t.matches(ctx, ask, q, i, name)
	if ok && !match {
		return false
	}
	t.rule, t.rulePanicked = name, !ok
	return true
}

// segment returns the place of the first segment that matches, -1 for none. One
// that panics does not match.
func (t *trial) segment(ctx context.Context, ask ask) int {
	for i := range t.exp.segments {
		if match, ok := t.matches(ctx, ask, askSegment, i, t.exp.segments[i].name); match && ok {
			return i
		}
	}
	return -1
}

// matches asks a rule; ok is false if it panicked.
func (t *trial) matches(ctx context.Context, ask ask, q question, i int, name string) (match, ok bool) {
	defer t.exp.catch(ctx, questionWords[q], name, nil)
	match = ask(ctx, q, i)
	return match, true
}
