package unleash

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"

	uc "github.com/Unleash/unleash-client-go/v4"
	"github.com/Unleash/unleash-client-go/v4/api"

	"github.com/rolloutkit/rolloutkit/core"
)

// ErrClosed says that the Unleash client was closed. An evaluation by it could
// wait for ever, so none is made.
var ErrClosed = errors.New("the Unleash client is closed")

// A Storage lets a [Rollout] look at the definition of a toggle by name, and
// keeps evaluations away from a client that is being closed. It wraps the
// storage that the client would have otherwise. Give it to one client, by
// WithStorage, and to the rollouts over that client, by [Options]; it serves
// that client alone, for all its life.
//
// Its methods are for the client. Persist in particular is what the client
// calls when it closes, and calling it closes the Storage.
type Storage struct {
	inner    uc.Storage
	onChange func([]string)
	logger   *slog.Logger
	hooks    queue

	known atomic.Pointer[definitions] // nil before Init
	inits atomic.Int32

	// use is held for reading while a toggle is evaluated. Closing takes it for
	// writing, and so waits for the evaluations under way: the client can still
	// finish them then, and no longer when it is closed.
	use    sync.RWMutex
	closed bool
}

// StorageOptions configure a [Storage]. The zero value is fine.
type StorageOptions struct {
	// OnChange is called after toggles were loaded, from the backup too, with
	// the names of those that are new, gone or different, sorted. A change of a
	// segment is none of its toggles. Calls come one at a time, in order, and
	// never on the client's goroutine, so OnChange may evaluate toggles and take
	// its time. A panic is logged.
	OnChange func(names []string)

	// Logger gets what the client keeps to itself: a backup that can't be
	// written. nil means slog.Default.
	Logger *slog.Logger
}

// NewStorage wraps a storage of the Unleash client; nil means a DefaultStorage,
// which is what the client has without. Nil options work.
func NewStorage(inner uc.Storage, opts *StorageOptions) *Storage {
	s := &Storage{inner: inner}
	if inner == nil {
		s.inner = &uc.DefaultStorage{}
	}
	if opts != nil {
		s.onChange, s.logger = opts.OnChange, opts.Logger
	}
	return s
}

var _ uc.Storage = (*Storage)(nil)

// Init is called by the client when it is made. What the wrapped storage loads,
// a backup or bootstrap data, is served at once.
func (s *Storage) Init(backupPath, appName string) {
	s.inits.Add(1)
	s.inner.Init(backupPath, appName)
	s.publish(false)
}

// Reset is called by the client with what the server answered.
func (s *Storage) Reset(data map[string]any, persist bool) error {
	err := s.inner.Reset(data, persist)
	if err != nil {
		s.log().Warn("unleash: the toggles can't be backed up", "error", err)
	}
	s.publish(true)
	return err
}

// Load loads from the wrapped storage.
func (s *Storage) Load() error {
	err := s.inner.Load()
	s.publish(false)
	return err
}

// Persist is called by the client when it closes. It returns when no toggle is
// being evaluated, and from then on none is.
func (s *Storage) Persist() error {
	s.use.Lock()
	s.closed = true
	s.use.Unlock()
	return s.inner.Persist()
}

// Get and List are those of the wrapped storage.
func (s *Storage) Get(name string) (any, bool) { return s.inner.Get(name) }
func (s *Storage) List() []any                 { return s.inner.List() }

// publish makes what the wrapped storage holds known to rollouts. The client
// never calls it twice at the same time.
func (s *Storage) publish(fresh bool) {
	old := s.known.Load()
	now := &definitions{byName: map[string]*api.Feature{}, fresh: fresh}
	for _, item := range s.inner.List() {
		if f, ok := item.(api.Feature); ok {
			now.byName[f.Name] = &f
		}
	}
	s.known.Store(now)
	if s.onChange == nil {
		return
	}
	if names := changed(old, now); len(names) > 0 {
		s.hooks.add(func() {
			defer logPanic(s.log(), "OnChange")
			s.onChange(names)
		})
	}
}

func (s *Storage) log() *slog.Logger { return cmp.Or(s.logger, slog.Default()) }

// changed returns the names of the toggles that differ, sorted.
func changed(old, now *definitions) []string {
	if old == nil {
		old = &definitions{}
	}
	names := maps.Clone(now.byName)
	maps.Copy(names, old.byName)
	maps.DeleteFunc(names, func(name string, _ *api.Feature) bool {
		return reflect.DeepEqual(old.byName[name], now.byName[name])
	})
	return slices.Sorted(maps.Keys(names))
}

func (s *Storage) load(bool) (*definitions, error) {
	known := s.known.Load()
	switch {
	case known == nil:
		return nil, fmt.Errorf("%w: its Storage was given to no client; uc.WithStorage does it", core.ErrNotReady)
	case s.inits.Load() > 1:
		return nil, errors.New("the Storage was given to several clients; each needs its own")
	case !known.fresh && len(known.byName) == 0:
		return nil, fmt.Errorf("%w: the client has no toggles, neither from a server nor from a backup", core.ErrNotReady)
	}
	return known, nil
}

func (s *Storage) begin() error {
	s.use.RLock()
	if s.closed {
		s.use.RUnlock()
		return ErrClosed
	}
	return nil
}

func (s *Storage) end() { s.use.RUnlock() }
