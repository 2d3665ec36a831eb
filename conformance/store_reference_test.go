package conformance

import (
	"context"
	"errors"
	"net"
	"net/rpc"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rolloutkit/rolloutkit/core"
)

// A backend is the data of a reference store: naive, and served over the
// network to whoever joins from another process. It does one step at a time.
type backend struct {
	mu      sync.Mutex
	entries map[[2]string]written
	counts  map[[2]string]int64

	ttl, now  time.Duration
	keepsTime string // a fault: the operation that does not renew

	address  string
	handlers sync.Once
}

type written struct {
	core.Entry
	at      time.Duration
	garbage bool
}

// A step is one call of a backend, an Answer what comes back.
type Step struct {
	Op, Experiment, Key string
	Old, Entry          core.Entry
	By                  int64
	At                  time.Duration // of the entry that a copy is of
}

type Answer struct {
	Entry   core.Entry
	At      time.Duration
	OK      bool
	Count   int64
	Garbage bool
}

func newBackend() *backend {
	return &backend{entries: map[[2]string]written{}, counts: map[[2]string]int64{}}
}

func (b *backend) do(s Step) (a Answer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	at := [2]string{s.Experiment, s.Key}
	stands, ok := b.entries[at]
	if ok && b.ttl > 0 && b.now-stands.at > b.ttl {
		delete(b.entries, at)
		stands, ok = written{}, false
	}
	fresh := written{Entry: s.Entry, at: b.now}
	switch s.Op {
	case "get":
	case "claim":
		if stands.garbage || ok && stands.Entry != s.Old {
			break
		}
		if b.keepsTime == "copy" && s.At > 0 {
			fresh.at = s.At - 1
		}
		stands, ok = fresh, true
		b.entries[at] = fresh
	case "save":
		if b.keepsTime == "save" && ok {
			fresh.at = stands.at
		}
		b.entries[at] = fresh
	case "corrupt":
		b.entries[at] = written{garbage: true, at: b.now}
	case "delete":
		delete(b.entries, at)
	case "clear":
		for k := range b.entries {
			if k[0] == s.Experiment {
				delete(b.entries, k)
			}
		}
		for k := range b.counts {
			if k[0] == s.Experiment {
				delete(b.counts, k)
			}
		}
	case "count":
		b.counts[at] += s.By
		a.Count = b.counts[at]
	}
	a.Entry, a.At, a.OK, a.Garbage = stands.Entry, stands.at+1, ok, stands.garbage
	return a
}

// Do is do for net/rpc.
func (b *backend) Do(s Step, a *Answer) error {
	*a = b.do(s)
	return nil
}

// serve makes b reachable and returns where.
func (b *backend) serve(t *testing.T) string {
	b.handlers.Do(func() {
		server := rpc.NewServer()
		if err := server.RegisterName("Backend", b); err != nil {
			t.Fatal(err)
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		b.address = l.Addr().String()
		served.Store(b.address, b)
		t.Cleanup(func() { served.Delete(b.address); l.Close() })
		go func() {
			for conn, err := l.Accept(); err == nil; conn, err = l.Accept() {
				go server.ServeConn(conn)
			}
		}()
	})
	return b.address
}

var served sync.Map // backends of this process by address

// A refStore is a handle of a backend: a store that is right.
type refStore struct {
	do      func(ctx context.Context, s Step) (Answer, error)
	backend *backend // nil in another process
	between atomic.Pointer[func()]
}

func newRefStore(b *backend) *refStore {
	return &refStore{backend: b, do: func(_ context.Context, s Step) (Answer, error) {
		a := b.do(s)
		if a.Garbage && (s.Op == "get" || s.Op == "claim") {
			return a, errors.New("garbage")
		}
		return a, nil
	}}
}

// pause is where others can come between.
func (r *refStore) pause() {
	if f := r.between.Swap(nil); f != nil {
		(*f)()
	}
}

func (r *refStore) Load(ctx context.Context, experiment, key string, older []string) (e core.Entry, others []string, ok bool, err error) {
	a, err := r.do(ctx, Step{Op: "get", Experiment: experiment, Key: key})
	if err != nil {
		return e, nil, false, err
	}
	all := make([]Answer, len(older))
	for i, k := range older {
		if all[i], err = r.do(ctx, Step{Op: "get", Experiment: experiment, Key: k}); err != nil {
			return e, nil, false, err
		}
	}
	for i := 0; i < len(all) && !a.OK; i++ {
		if all[i].OK {
			r.pause()
			if a, err = r.do(ctx, Step{Op: "claim", Experiment: experiment, Key: key, Entry: all[i].Entry, At: all[i].At}); err != nil {
				return e, nil, false, err
			}
		}
	}
	if !a.OK {
		return e, nil, false, nil
	}
	for i, o := range all {
		if open := o.Entry.Variant == core.Control && !o.Entry.Final; o.OK && !open && o.Entry.Variant != a.Entry.Variant {
			others = append(others, older[i])
		}
	}
	return a.Entry, others, true, nil
}

func (r *refStore) Claim(ctx context.Context, experiment, key string, old, e core.Entry) (core.Entry, error) {
	a, err := r.do(ctx, Step{Op: "get", Experiment: experiment, Key: key})
	if err == nil && (!a.OK || a.Entry == old) {
		r.pause()
		a, err = r.do(ctx, Step{Op: "claim", Experiment: experiment, Key: key, Old: old, Entry: e})
	}
	return a.Entry, err
}

func (r *refStore) Save(ctx context.Context, experiment, key string, e core.Entry) error {
	_, err := r.do(ctx, Step{Op: "save", Experiment: experiment, Key: key, Entry: e})
	return err
}

func (r *refStore) Delete(ctx context.Context, experiment string, keys ...string) error {
	for _, key := range keys {
		if _, err := r.do(ctx, Step{Op: "delete", Experiment: experiment, Key: key}); err != nil {
			return err
		}
	}
	return nil
}

func (r *refStore) Clear(ctx context.Context, experiment string) error {
	_, err := r.do(ctx, Step{Op: "clear", Experiment: experiment})
	return err
}

func (r *refStore) LoadBatch(ctx context.Context, lookups []core.Lookup) []core.Loaded {
	return loadEach(ctx, r, lookups)
}

func (r *refStore) Increment(ctx context.Context, experiment, name string, by int64) (int64, error) {
	a, err := r.do(ctx, Step{Op: "count", Experiment: experiment, Key: name, By: by})
	return a.Count, err
}

func loadEach(ctx context.Context, s core.Store, lookups []core.Lookup) []core.Loaded {
	all := make([]core.Loaded, len(lookups))
	for i, l := range lookups {
		all[i].Entry, all[i].Others, all[i].OK, all[i].Err = s.Load(ctx, l.Experiment, l.Key, l.Older)
	}
	return all
}

// refHarness returns the harness of stores that can do everything.
func refHarness() StoreHarness {
	return StoreHarness{
		Name:    "reference-store",
		New:     func(*testing.T) core.Store { return newRefStore(newBackend()) },
		Address: func(t *testing.T, s core.Store) string { return s.(*refStore).backend.serve(t) },
		Join: func(t *testing.T, address string) core.Store {
			if b, ok := served.Load(address); ok {
				return newRefStore(b.(*backend))
			}
			client, err := rpc.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { client.Close() })
			return &refStore{do: func(_ context.Context, s Step) (a Answer, err error) {
				return a, client.Call("Backend.Do", s, &a)
			}}
		},
		Corrupt: func(_ *testing.T, s core.Store, experiment, key string) {
			s.(*refStore).backend.do(Step{Op: "corrupt", Experiment: experiment, Key: key})
		},
		Between: func(_ *testing.T, s core.Store, write func()) func() bool {
			r, called := s.(*refStore), false
			f := func() { called = true; write() }
			r.between.Store(&f)
			return func() bool { r.between.Store(nil); return called }
		},
		Blocked: func(*testing.T) core.Store {
			return &refStore{do: func(ctx context.Context, _ Step) (Answer, error) {
				<-ctx.Done()
				return Answer{}, ctx.Err()
			}}
		},
		Down: func(*testing.T) core.Store {
			return &refStore{do: func(context.Context, Step) (Answer, error) { return Answer{}, errors.New("refused") }}
		},
		Expiring: func(*testing.T) (core.Store, time.Duration, func(time.Duration)) {
			b := newBackend()
			b.ttl = time.Hour
			return newRefStore(b), b.ttl, func(d time.Duration) {
				b.mu.Lock()
				defer b.mu.Unlock()
				b.now += d
			}
		},
	}
}

// aloneHarness returns the harness of stores that can do everything but share.
func aloneHarness() StoreHarness {
	h := refHarness()
	h.Name, h.Address, h.Join = "alone", nil, nil
	h.Unsupported = map[core.Capability]string{Shares: "each has its own data"}
	return h
}

// A namesOnly keeps variant names only, and moves what an older key has: a
// store as GitLab Experiment's.
type namesOnly struct{ *refStore }

func (namesOnly) VariantOnly() bool { return true }

func nameOf(e core.Entry) core.Entry {
	if e == (core.Entry{}) {
		return e
	}
	return core.Entry{Variant: e.Variant, Final: true}
}

func (n namesOnly) Load(ctx context.Context, experiment, key string, older []string) (e core.Entry, others []string, ok bool, err error) {
	had := ""
	if _, _, ok, _ = n.refStore.Load(ctx, experiment, key, nil); !ok {
		for i := len(older) - 1; i >= 0; i-- {
			if _, _, ok, _ := n.refStore.Load(ctx, experiment, older[i], nil); ok {
				had = older[i]
			}
		}
	}
	e, others, ok, err = n.refStore.Load(ctx, experiment, key, older)
	if !ok && err == nil { // another may have moved it in between: written here, then deleted there
		e, others, ok, err = n.refStore.Load(ctx, experiment, key, nil)
	}
	if had != "" && err == nil {
		err = n.Delete(ctx, experiment, had)
	}
	return e, others, ok, err
}

func (n namesOnly) Claim(ctx context.Context, experiment, key string, old, e core.Entry) (core.Entry, error) {
	stands, err := n.refStore.Claim(ctx, experiment, key, nameOf(old), nameOf(e))
	if stands == nameOf(e) {
		stands = e
	}
	return stands, err
}

func (n namesOnly) Save(ctx context.Context, experiment, key string, e core.Entry) error {
	return n.refStore.Save(ctx, experiment, key, nameOf(e))
}

func (n namesOnly) LoadBatch(ctx context.Context, lookups []core.Lookup) []core.Loaded {
	return loadEach(ctx, n, lookups)
}

// A leastStore has no optional interface but the one that takes away.
type leastStore struct{ core.Store }

func (leastStore) VariantOnly() bool { return true }

// leastHarness returns the harness of stores that can do nothing that a store
// need not do.
func leastHarness() StoreHarness {
	h := StoreHarness{
		Name:        "least",
		New:         func(*testing.T) core.Store { return leastStore{namesOnly{newRefStore(newBackend())}} },
		Unsupported: map[core.Capability]string{},
	}
	for _, c := range StoreCapabilities() {
		h.Unsupported[c] = "not needed"
	}
	return h
}
