package core

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/rolloutkit/rolloutkit/internal/throttle"
)

// A Config holds what all experiments of a client share. [New] copies it.
type Config struct {
	// Rollout is the rollout of experiments that name none. nil is [Even].
	Rollout Rollout

	// Store keeps assignments. nil keeps nothing: a deterministic rollout still
	// gives each unit the same variant while its weights stand, only-assigned
	// experiments give control, and rollouts that draw at random are refused.
	Store Store

	// Tracker receives events. nil writes them to the Logger at debug level.
	Tracker Tracker

	// Logger receives what went wrong, at most one line of a kind per
	// experiment and minute. nil is slog.Default().
	Logger *slog.Logger

	// KeySecret makes keys anonymous: at least 32 bytes, secret, and the same
	// in all processes. Losing it loses who is assigned to what.
	KeySecret []byte

	// PreviousSecrets are up to three secrets that KeySecret replaced, newest
	// first. Nobody changes variant while the old one is listed.
	PreviousSecrets [][]byte

	// InsecureNoSecret allows a KeySecret shorter than 32 bytes, or none. Then
	// ten million user ids are found from their keys in about a second.
	InsecureNoSecret bool

	// KeyScheme makes keys as another system does. nil is the core's own way.
	KeyScheme KeyScheme

	// NamePrefix goes before all names, joined by "_". Empty adds nothing.
	NamePrefix string

	// AllowForced lets [WithForced] work.
	AllowForced bool

	// StrictRegistration forbids [Inline]: every experiment is defined where
	// the program starts, and its faults surface there.
	StrictRegistration bool

	// Nesting says whether an experiment may run inside another's behaviour.
	Nesting Nesting

	// OnRolloutError says what a unit gets while the flag system fails.
	OnRolloutError RolloutErrorPolicy

	// OnPublish is told of each trial that is run or published, once, for the
	// client side. Excluded units are told of too; those of an experiment that
	// is off are not.
	OnPublish func(ctx context.Context, s Signature)

	// OptOut reports whether a subject wants no part in any experiment. A panic
	// counts as a yes.
	OptOut func(ctx context.Context, subject any) bool

	// Exclusions and Around come before those of each definition.
	Exclusions []Rule[any]
	Around     []Around
}

// A RolloutErrorPolicy says what a unit gets while the flag system fails.
type RolloutErrorPolicy uint8

const (
	// ServeControl: control, untracked.
	ServeControl RolloutErrorPolicy = iota
	// ServeStored: the stored variant if there is one, untracked; else control.
	// A flag that is absent is no failure: it gives control.
	ServeStored
)

// A Client holds experiments that share a flag system, a store and a tracker.
// It is safe for many goroutines.
type Client struct {
	cfg         Config
	log         *slog.Logger
	keys        keyring
	variantOnly bool // the store keeps variant names only
	stats       stats
	logged      *throttle.Log

	mu          sync.RWMutex
	experiments map[string]*experiment
	bound       map[string]*Bound
}

// New returns a client. Its errors, joined, say what is wrong with the Config.
func New(cfg Config) (*Client, error) {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf("core: "+format, args...)) }
	if len(cfg.KeySecret) < minSecret && !cfg.InsecureNoSecret {
		fault("KeySecret has %d bytes; it needs at least %d, or InsecureNoSecret", len(cfg.KeySecret), minSecret)
	}
	if n := len(cfg.PreviousSecrets); n > maxPreviousSecrets {
		fault("%d PreviousSecrets; at most %d are allowed", n, maxPreviousSecrets)
	}
	for i, s := range cfg.PreviousSecrets {
		if len(s) < minSecret && !cfg.InsecureNoSecret {
			fault("PreviousSecrets[%d] has %d bytes; it needs at least %d, or InsecureNoSecret", i, len(s), minSecret)
		}
	}
	if cfg.NamePrefix != "" && !legalName(cfg.NamePrefix) {
		fault("NamePrefix %q is not allowed: a-z, 0-9 and _ . / -, beginning with a letter", cfg.NamePrefix)
	}
	if cfg.Nesting > NestingForbidden {
		fault("Nesting(%d) is unknown", cfg.Nesting)
	}
	if cfg.OnRolloutError > ServeStored {
		fault("OnRolloutError(%d) is unknown", cfg.OnRolloutError)
	}
	cfg.Exclusions = slices.Clone(cfg.Exclusions)
	for i := range cfg.Exclusions {
		r := &cfg.Exclusions[i]
		r.Name = ruleName("shared exclusion", r.Name, i)
		if r.If == nil {
			fault("%q has no If", r.Name)
		}
	}
	if slices.ContainsFunc(cfg.Around, func(a Around) bool { return a == nil }) {
		fault("an Around is nil")
	}
	variantOnly, err := keepsVariantsOnly(cfg.Store)
	if err != nil {
		faults = append(faults, err)
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}

	cfg.Around = slices.Clone(cfg.Around)
	secrets := append([][]byte{cfg.KeySecret}, cfg.PreviousSecrets...)
	cfg.KeySecret, cfg.PreviousSecrets = nil, nil // the keyring has its own copies
	c := &Client{
		cfg: cfg, log: cfg.Logger, keys: newKeyring(cfg.KeyScheme, secrets...),
		logged:      throttle.New(time.Now),
		experiments: make(map[string]*experiment), bound: make(map[string]*Bound), variantOnly: variantOnly,
	}
	if c.log == nil {
		c.log = slog.Default()
	}
	return c, nil
}

// keepsVariantsOnly asks a VariantStore. One that panics is most likely a nil
// pointer, such as that of a store that could not be opened.
func keepsVariantsOnly(store Store) (only bool, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("core: the Store, a %T, panicked: %s", store, panicText(p))
		}
	}()
	v, ok := store.(VariantStore)
	return ok && v.VariantOnly(), nil
}

// fullName returns the name with the client's prefix.
func (c *Client) fullName(name string) string {
	if c.cfg.NamePrefix == "" {
		return name
	}
	return c.cfg.NamePrefix + "_" + name
}

// register enters a defined experiment.
func (c *Client) register(s *experiment) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if old := c.experiments[s.name]; old != nil {
		how := "defined"
		if old.inline {
			how = "defined inline"
		}
		return fmt.Errorf("core: experiment %q is %s already on this client", s.name, how)
	}
	c.experiments[s.name] = s
	return nil
}

func (c *Client) lookup(name string) *experiment {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.experiments[name]
}

// An Info describes an experiment for people and operators.
type Info struct {
	Name     string // full name
	Variants []string
	Rollout  Description
	About    About
	Ends     time.Time
	Inline   bool
}

// Experiments describes the experiments of the client, sorted by name.
func (c *Client) Experiments() []Info {
	c.mu.RLock()
	defer c.mu.RUnlock()
	infos := make([]Info, 0, len(c.experiments))
	for _, name := range slices.Sorted(maps.Keys(c.experiments)) {
		s := c.experiments[name]
		info := Info{Name: name, Variants: s.Variants(), About: s.about, Ends: s.ends, Inline: s.inline}
		info.Rollout = described(s.rollout)
		if info.Rollout.Name == "" {
			info.Rollout.Name = s.provider
		}
		infos = append(infos, info)
	}
	return infos
}

// Variants returns the names of all behaviours of the experiment of that full
// name, control first, and nil if none is called so on this client.
func (c *Client) Variants(experiment string) []string {
	s := c.lookup(experiment)
	if s == nil {
		return nil
	}
	return s.Variants()
}

// Logger returns Config.Logger, or what that defaults to: for hooks and the
// like, which work for the client and have nobody else to complain to.
func (c *Client) Logger() *slog.Logger { return c.log }

// TrackKey sends an event for a stored unit that is known by its key alone, as
// in a link or an event from the browser. experiment is the full name. It sends
// nothing and returns nil while the experiment is off and for a unit whose
// stored entry says excluded. It is an error if the experiment or the key is
// unknown, if nothing is stored under the key, or if the rollout, the store or
// the tracker fails. Config.OptOut is not asked, since it takes a subject.
func (c *Client) TrackKey(ctx context.Context, experiment, key string, ev Event) error {
	s := c.lookup(experiment)
	if s == nil {
		return fmt.Errorf("core: no experiment is called %q on this client", experiment)
	}
	return s.trackKey(ctx, key, Entry{}, ev)
}

// TrackEntry is [Client.TrackKey] for a caller who knows what the unit got, as
// from a signed token that a page carried: entry counts if the store has none,
// since nothing is stored for a visitor before the cookie has come back.
func (c *Client) TrackEntry(ctx context.Context, experiment, key string, entry Entry, ev Event) error {
	s := c.lookup(experiment)
	if s == nil {
		return fmt.Errorf("core: no experiment is called %q on this client", experiment)
	}
	return s.trackKey(ctx, key, entry, ev)
}

// trackKey tracks for what is stored under key or, failing that, for known.
func (s *experiment) trackKey(ctx context.Context, key string, known Entry, ev Event) error {
	if err := checkAction(s.name, ev.Action); err != nil {
		return err
	}
	if s.client.keys.scheme == nil {
		raw, err := rawKey(key)
		if err != nil {
			return fmt.Errorf("core: experiment %s: %w", s.name, err)
		}
		key = raw
	}
	id := &identity{key: key}
	var d Decision
	if err := s.resolve(ctx, id, &d); err != nil {
		return err
	}
	if d.State == Off {
		return nil
	}
	a := Assignment{Experiment: s.name, Key: key, State: d.State, Reason: d.Reason, Source: SourceStored, Tracked: true}
	var current Entry
	found, err := s.load(ctx, &a, id, &current)
	if !found && known.Variant != "" {
		current, found, err = known, true, nil
	}
	switch {
	case err != nil:
		return fmt.Errorf("core: experiment %s: %w", s.name, err)
	case !found:
		return fmt.Errorf("core: experiment %s: nothing is stored under this key", s.name)
	case current.Origin == SourceExcluded:
		return nil
	case !s.has(current.Variant):
		return fmt.Errorf("core: experiment %s: the store holds %q: %w", s.name, current.Variant, ErrUnknownVariant)
	}
	a.Variant, a.Previous, a.Origin = current.Variant, current.Previous, current.Origin
	return s.emit(ctx, &a, ev)
}
