package conformance

import (
	"context"
	"encoding/gob"
	"errors"
	"net"
	"net/rpc"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/rolloutkit/rolloutkit/core"
)

// A backend is the data of reference stores: naive, and served over the network
// to whoever joins from another process.
type backend struct {
	mu      sync.Mutex
	entries map[[2]string]written
	counts  map[[2]string]int64

	ttl     time.Duration // 0: entries stay for ever
	start   time.Time     // of its clock
	between func()        // called once, before the next claim
	serve   func(t *testing.T) (address string)
}

type written struct {
	core.Entry
	at      time.Duration
	garbage bool
}

// A Step is one call of a backend, an Answer what comes back.
type Step struct {
	Op, Experiment string
	Keys           []string // claim, save and count have one
	Lookups        []core.Lookup
	Old, Entry     core.Entry
	By             int64
	KeepsTime      bool // a fault: what is written is as old as what was there
}

type Answer struct {
	Lookups []core.Lookup
	Current core.Entry
	Won     bool
	Count   int64
}

// garbage is the error of a value that can't be read.
type garbage string

func (g garbage) Error() string { return string(g) }

func init() { gob.Register(garbage("")) }

var served sync.Map // backends of this process by address

func newBackend() *backend {
	b := &backend{entries: map[[2]string]written{}, counts: map[[2]string]int64{}, start: time.Now()}
	var once sync.Once
	address := ""
	b.serve = func(t *testing.T) string {
		once.Do(func() {
			server := rpc.NewServer()
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err := errors.Join(err, server.RegisterName("Backend", b)); err != nil {
				t.Fatal(err)
			}
			address = l.Addr().String()
			served.Store(address, b)
			t.Cleanup(func() { served.Delete(address); l.Close() })
			go func() {
				for conn, err := l.Accept(); err == nil; conn, err = l.Accept() {
					go server.ServeConn(conn)
				}
			}()
		})
		return address
	}
	return b
}

// call does one step, before which another may come between.
func (b *backend) call(_ context.Context, s Step) (a Answer, err error) {
	if s.Op == "claim" || s.Op == "pause" {
		b.mu.Lock()
		between := b.between
		b.between = nil
		b.mu.Unlock()
		if between != nil {
			between()
		}
	}
	return a, b.Do(s, &a)
}

// Do does one step for net/rpc.
func (b *backend) Do(s Step, a *Answer) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch s.Op {
	case "load":
		a.Lookups = slices.Clone(s.Lookups)
		for i := range a.Lookups {
			l := &a.Lookups[i]
			w := b.at(l.Experiment, l.Key)
			if l.Entry = w.Entry; w.garbage {
				l.Err = garbage("garbage")
			}
		}
	case "claim":
		w := b.at(s.Experiment, s.Keys[0])
		if w.garbage {
			return garbage("garbage")
		}
		a.Current, a.Won = w.Entry, w.Entry == s.Old
		if a.Won {
			b.write(s)
			a.Current = s.Entry
		}
	case "save":
		b.write(s)
	case "corrupt":
		b.entries[[2]string{s.Experiment, s.Keys[0]}] = written{garbage: true, at: time.Since(b.start)}
	case "delete":
		for _, key := range s.Keys {
			delete(b.entries, [2]string{s.Experiment, key})
		}
	case "clear":
		for at := range b.entries {
			if at[0] == s.Experiment {
				delete(b.entries, at)
			}
		}
		for at := range b.counts {
			if at[0] == s.Experiment {
				delete(b.counts, at)
			}
		}
	case "count":
		at := [2]string{s.Experiment, s.Keys[0]}
		b.counts[at] += s.By
		a.Count = b.counts[at]
	}
	return nil
}

func (b *backend) at(experiment, key string) written {
	w := b.entries[[2]string{experiment, key}]
	if b.ttl > 0 && time.Since(b.start)-w.at > b.ttl {
		return written{}
	}
	return w
}

func (b *backend) write(s Step) {
	at := [2]string{s.Experiment, s.Keys[0]}
	w := written{Entry: s.Entry, at: time.Since(b.start)}
	if s.KeepsTime {
		w.at = b.entries[at].at
	}
	b.entries[at] = w
}

// A call does one step. A store is right or broken by what is around the call
// of its backend.
type call func(ctx context.Context, s Step) (Answer, error)

// A refStore is a handle of a backend.
type refStore struct {
	do      call
	backend *backend // nil in another process
	names   bool     // keeps variants only
}

func (r *refStore) VariantOnly() bool { return r.names }

func (r *refStore) Load(ctx context.Context, lookups []core.Lookup) error {
	a, err := r.do(ctx, Step{Op: "load", Lookups: lookups})
	copy(lookups, a.Lookups)
	return err
}

func (r *refStore) Claim(ctx context.Context, experiment, key string, old, e core.Entry) (core.Entry, bool, error) {
	a, err := r.do(ctx, Step{Op: "claim", Experiment: experiment, Keys: []string{key}, Old: old, Entry: e})
	return a.Current, a.Won, err
}

func (r *refStore) Save(ctx context.Context, experiment, key string, e core.Entry) error {
	_, err := r.do(ctx, Step{Op: "save", Experiment: experiment, Keys: []string{key}, Entry: e})
	return err
}

func (r *refStore) Delete(ctx context.Context, experiment string, keys ...string) error {
	_, err := r.do(ctx, Step{Op: "delete", Experiment: experiment, Keys: keys})
	return err
}

func (r *refStore) Clear(ctx context.Context, experiment string) error {
	_, err := r.do(ctx, Step{Op: "clear", Experiment: experiment})
	return err
}

func (r *refStore) Increment(ctx context.Context, experiment, name string, by int64) (int64, error) {
	a, err := r.do(ctx, Step{Op: "count", Experiment: experiment, Keys: []string{name}, By: by})
	return a.Count, err
}

// A wrap changes what the stores of a harness do: each store gets its own.
type wrap func(next call) call

// refHarness returns the harness of stores that can do everything, each with
// what w puts around it; nil for nothing.
func refHarness(w wrap) StoreHarness { return harnessOf(false, w) }

// namesHarness returns the harness of stores that keep variants alone.
func namesHarness(w wrap) StoreHarness {
	h := harnessOf(true, func(next call) call {
		next = namesOnly(next)
		if w != nil {
			next = w(next)
		}
		return next
	})
	h.Unsupported = map[core.Capability]string{WholeEntries: "names only"}
	return h
}

func namesOnly(next call) call {
	return func(ctx context.Context, s Step) (Answer, error) {
		s.Old, s.Entry = core.Entry{Variant: s.Old.Variant}, core.Entry{Variant: s.Entry.Variant}
		return next(ctx, s)
	}
}

func harnessOf(names bool, w wrap) StoreHarness {
	store := func(b *backend, do call) core.Store {
		if w != nil {
			do = w(do)
		}
		return &refStore{do: do, backend: b, names: names}
	}
	fresh := func(*testing.T) core.Store {
		b := newBackend()
		return store(b, b.call)
	}
	return StoreHarness{
		Name:    "reference-store",
		New:     fresh,
		Address: func(t *testing.T, s core.Store) string { return s.(*refStore).backend.serve(t) },
		Join: func(t *testing.T, address string) core.Store {
			if b, ok := served.Load(address); ok {
				return store(b.(*backend), b.(*backend).call)
			}
			client, err := rpc.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { client.Close() })
			return store(nil, func(_ context.Context, s Step) (a Answer, err error) {
				return a, client.Call("Backend.Do", s, &a)
			})
		},
		Corrupt: func(_ *testing.T, s core.Store, experiment, key string) {
			_ = s.(*refStore).backend.Do(Step{Op: "corrupt", Experiment: experiment, Keys: []string{key}}, &Answer{})
		},
		Between: func(_ *testing.T, s core.Store, write func()) func() bool {
			called := false
			s.(*refStore).backend.between = func() { called = true; write() }
			return func() bool { return called }
		},
		Blocked: func(*testing.T) core.Store {
			return store(nil, func(ctx context.Context, _ Step) (Answer, error) {
				<-ctx.Done()
				return Answer{}, ctx.Err()
			})
		},
		Down: func(*testing.T) core.Store {
			return store(nil, func(context.Context, Step) (Answer, error) { return Answer{}, errors.New("refused") })
		},
		Expiring: func(t *testing.T) (core.Store, time.Duration, func(time.Duration)) {
			s := fresh(t).(*refStore)
			s.backend.ttl = time.Hour
			return s, s.backend.ttl, func(d time.Duration) { s.backend.start = s.backend.start.Add(-d) }
		},
	}
}

// leastHarness returns the harness of stores that can do nothing that a store
// need not do.
func leastHarness() StoreHarness {
	names := namesHarness(nil)
	h := StoreHarness{
		Name: "least",
		New: func(t *testing.T) core.Store {
			s := names.New(t).(*refStore)
			return struct {
				core.Store
				core.VariantStore
			}{s, s}
		},
		Unsupported: map[core.Capability]string{},
	}
	for _, c := range StoreCapabilities() {
		h.Unsupported[c] = "not needed"
	}
	return h
}
