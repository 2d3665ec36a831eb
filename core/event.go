package core

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"time"
)

// ActionAssignment is the [Event.Action] of the automatic event that says which
// variant a unit got. It is not to be used for an app's own events.
const ActionAssignment = "assignment"

// A Source says which step of the decision order ended it. The steps are listed
// in the order in which they are asked; see the package comment. The zero Source
// is none of them.
type Source string

const (
	SourceOptedOut   Source = "opted-out"  // Config.OptOut said so
	SourceNoUnit     Source = "no-unit"    // nobody to assign, or a fault of the unit
	SourceOff        Source = "off"        // the flag is off, or Enabled said no
	SourceError      Source = "error"      // the rollout failed, or a name is unknown
	SourceManual     Source = "manual"     // AssignTo
	SourceForced     Source = "forced"     // WithForced or the force parameter
	SourceStored     Source = "stored"     // the store had it
	SourceUnassigned Source = "unassigned" // only assigned, and nothing stored
	SourceExcluded   Source = "excluded"   // Exclude or a rule
	SourceOutside    Source = "outside"    // the rollout says not part of it
	SourceSegmented  Source = "segmented"  // a segment
	SourceResolved   Source = "resolved"   // the rollout's variant
)

// An Event is one thing that happened to one unit of one experiment. The core
// makes the assignment event; an app's own events start from the Action, Value,
// Label, Property and Fields that it gives to Track, and the core fills in the
// rest. Events carry the anonymous key and never the attributes behind it.
type Event struct {
	// ID identifies the event for consumers that deduplicate. For the
	// assignment event it is a hash of experiment, key and variant, so a
	// repetition has the same ID; for others it is random unless given.
	ID string `json:"id"`

	Action     string `json:"action"` // ActionAssignment for the automatic event
	Experiment string `json:"experiment"`
	Variant    string `json:"variant"`
	Previous   string `json:"previous,omitempty"` // the variant before a ramp moved the unit
	Key        string `json:"key"`

	// MigrationKeys are older keys of the same unit, so that its earlier events
	// can be joined.
	MigrationKeys []string `json:"migration_keys,omitempty"`

	State State `json:"state"`

	// Source says how this trial was decided, Origin how the stored entry
	// began: a stored hit of a segmented unit has source stored and origin
	// segmented. Use only origin=resolved for sample-ratio tests.
	Source Source `json:"source"`
	Origin Source `json:"origin"`

	// Degraded says that a store operation failed on the way: the variant was
	// served but perhaps not kept.
	Degraded bool `json:"degraded,omitempty"`

	Value    float64        `json:"value"` // always serialised: 0 is a value
	Label    string         `json:"label,omitempty"`
	Property string         `json:"property,omitempty"`
	Fields   map[string]any `json:"fields,omitempty"` // not copied
	Time     time.Time      `json:"time"`
}

// A Tracker receives events. It is called synchronously, from many goroutines
// at the same time; one that does I/O should queue. An error or a panic never
// reaches the user of the app: the event counts as lost, in [Stats.EventsLost]
// and in the log.
type Tracker interface {
	Track(ctx context.Context, e Event) error
}

// TrackerFunc makes a [Tracker] of a function.
type TrackerFunc func(ctx context.Context, e Event) error

// Track calls f.
func (f TrackerFunc) Track(ctx context.Context, e Event) error { return f(ctx, e) }

// An Assignment says what one unit got in one experiment, and why. It is always
// usable: whatever failed, Variant is a variant that the experiment has.
type Assignment struct {
	Experiment string // full name
	Variant    string
	Key        string // the unit's newest key; empty for no-unit and opted-out

	Previous string // the variant before a ramp moved the unit
	Rule     string // name of the exclusion or segment that fired
	Reason   string // the flag system's word

	// MigrationKeys are the unit's older keys, without those that hold another
	// variant.
	MigrationKeys []string

	State State

	// Source is the step that decided, Origin how the stored entry began; for
	// a fresh assignment they are the same.
	Source, Origin Source

	// Tracked says that events of this trial are sent. Ask it before computing
	// an expensive event.
	Tracked bool

	// Excluded says that the unit is kept out of the experiment: source
	// excluded or unassigned. It is in the signature too.
	Excluded bool

	// Degraded says that a store operation failed on the way.
	Degraded bool

	// Err is what went wrong on the way, nil for nothing. Variant is to be
	// served all the same.
	Err error
}

// A Signature is what may be told about an assignment outside the process: to
// the browser, in a link, beside an event.
type Signature struct {
	Variant       string   `json:"variant"`
	Experiment    string   `json:"experiment"`
	Key           string   `json:"key"`
	MigrationKeys []string `json:"migration_keys,omitempty"`
	Excluded      bool     `json:"excluded,omitempty"`
}

// Signature returns the part of a that may be told.
func (a Assignment) Signature() Signature {
	return Signature{Variant: a.Variant, Experiment: a.Experiment, Key: a.Key,
		MigrationKeys: a.MigrationKeys, Excluded: a.Excluded}
}

// checkAction returns what is wrong with an app's own action.
func checkAction(experiment, action string) error {
	switch action {
	case "":
		return fmt.Errorf("core: experiment %s: an event without an action", experiment)
	case ActionAssignment:
		return fmt.Errorf("core: experiment %s: the action %q belongs to the automatic event", experiment, action)
	}
	return nil
}

// emit sends an event of the assignment. One that can't be sent is lost.
func (s *experiment) emit(ctx context.Context, a *Assignment, ev Event) error {
	err := s.send(ctx, a, &ev)
	if err != nil {
		s.client.stats.lost.Add(1)
		s.log(ctx, slog.LevelError, logTracker, "experiment: an event was lost",
			slog.String("action", ev.Action), slog.Any("error", err))
	}
	return err
}

// send fills in the event and hands it to the tracker, or to the log in its place.
func (s *experiment) send(ctx context.Context, a *Assignment, ev *Event) (err error) {
	defer s.catch(ctx, "the tracker", "", &err)
	tracker, log := s.client.cfg.Tracker, s.client.log
	if tracker == nil && !log.Enabled(ctx, slog.LevelDebug) {
		return nil
	}
	ev.Experiment, ev.Variant, ev.Previous, ev.Key = a.Experiment, a.Variant, a.Previous, a.Key
	ev.MigrationKeys, ev.State, ev.Source, ev.Origin, ev.Degraded = a.MigrationKeys, a.State, a.Source, a.Origin, a.Degraded
	if ev.Time.IsZero() {
		ev.Time = time.Now()
	}
	if ev.ID == "" {
		if ev.Action == ActionAssignment {
			ev.ID = assignmentID(a.Experiment, a.Key, a.Variant)
		} else {
			ev.ID = rand.Text()
		}
	}
	if tracker != nil {
		return tracker.Track(ctx, *ev)
	}
	log.LogAttrs(ctx, slog.LevelDebug, "experiment: event", slog.String("action", ev.Action),
		slog.String("experiment", ev.Experiment), slog.String("variant", ev.Variant), slog.String("key", ev.Key),
		slog.String("source", string(ev.Source)), slog.Float64("value", ev.Value))
	return nil
}

// assignmentID returns 32 hex digits: the first half of the SHA-256 of the
// three texts, each preceded by its length as a uvarint.
func assignmentID(experiment, key, variant string) string {
	var buf [384]byte
	b := appendText(appendText(appendText(buf[:0], experiment), key), variant)
	sum := sha256.Sum256(b)
	var digits [sha256.Size]byte
	hex.Encode(digits[:], sum[:sha256.Size/2])
	return string(digits[:])
}

// publish tells Config.OnPublish.
func (s *experiment) publish(ctx context.Context, a *Assignment) {
	fn := s.client.cfg.OnPublish
	if fn == nil {
		return
	}
	defer s.catch(ctx, "OnPublish", "", nil)
	fn(ctx, a.Signature())
}
