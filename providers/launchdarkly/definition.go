package launchdarkly

import (
	"errors"
	"sync"
	"sync/atomic"

	"github.com/launchdarkly/go-sdk-common/v3/ldvalue"
	"github.com/launchdarkly/go-server-sdk-evaluation/v3/ldmodel"
	"github.com/launchdarkly/go-server-sdk/v7/ldcomponents"
	"github.com/launchdarkly/go-server-sdk/v7/subsystems"
	"github.com/launchdarkly/go-server-sdk/v7/subsystems/ldstoreimpl"
	"github.com/launchdarkly/go-server-sdk/v7/subsystems/ldstoretypes"
)

// Definitions are the flags as one LaunchDarkly client has them at the moment:
// not what they answered, but what they say. Make them with [DataStore].
type Definitions struct {
	inner  subsystems.ComponentConfigurer[subsystems.DataStore]
	copies bool // of flags are kept: nobody else writes to the store
	store  atomic.Pointer[observed]
	mu     sync.Mutex // of Build
}

var (
	_ subsystems.ComponentConfigurer[subsystems.DataStore] = (*Definitions)(nil)
	_ subsystems.DiagnosticDescription                     = (*Definitions)(nil)
)

// DataStore returns a data store for a client's config that lets the rollout
// see the definitions of flags:
//
//	defs := launchdarkly.DataStore(nil)
//	client, err := ld.MakeCustomClient(key, ld.Config{DataStore: defs}, wait)
//	rollout := launchdarkly.New(client, &launchdarkly.Options{Definitions: defs})
//
// inner is the store that does the work, such as a persistent one. nil is the
// SDK's own in memory. An evaluation then looks its flag up once more; a
// persistent store should have its cache on, as it has by default.
//
// One DataStore serves one client. A client whose config has a DataSystem, the
// SDK's not yet stable FDv2, ignores data stores; the rollout then says
// Conditional where it can't tell.
func DataStore(inner subsystems.ComponentConfigurer[subsystems.DataStore]) *Definitions {
	if inner == nil {
		return &Definitions{inner: ldcomponents.InMemoryDataStore(), copies: true}
	}
	return &Definitions{inner: inner}
}

// Build makes the data store. The SDK calls it, once for each client. It is an
// error while a client that was made with d is not closed.
func (d *Definitions) Build(c subsystems.ClientContext) (subsystems.DataStore, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s := d.store.Load(); s != nil && !s.closed.Load() {
		return nil, errors.New("launchdarkly: a DataStore serves one client, and this one was given to another that is not closed")
	}
	inner, err := d.inner.Build(c)
	if err != nil {
		return nil, err
	}
	s := &observed{DataStore: inner}
	if d.copies {
		s.flags.Store(new(sync.Map))
	}
	d.store.Store(s)
	return s, nil
}

// DescribeConfiguration tells the SDK's diagnostics what inner tells them.
func (d *Definitions) DescribeConfiguration(c subsystems.ClientContext) ldvalue.Value {
	if inner, ok := d.inner.(subsystems.DiagnosticDescription); ok {
		return inner.DescribeConfiguration(c)
	}
	return ldvalue.String("custom")
}

// flag returns the definition of a flag, nil for one that can't be seen, as all
// where d is nil.
func (d *Definitions) flag(key string) *ldmodel.FeatureFlag {
	if d == nil {
		return nil
	}
	s := d.store.Load()
	if s == nil {
		return nil
	}
	var item any
	if flags := s.flags.Load(); flags != nil {
		item, _ = flags.Load(key)
	} else if found, err := s.Get(ldstoreimpl.Features(), key); err == nil {
		item = found.Item
	}
	flag, _ := item.(*ldmodel.FeatureFlag)
	return flag
}

// An observed is the inner data store. It stays readable after Close, like the
// client whose it is.
type observed struct {
	subsystems.DataStore
	closed atomic.Bool

	// flags are those of a store in memory again, by key, since reading them
	// there takes a lock that all evaluations share. nil: ask the store.
	flags atomic.Pointer[sync.Map]
	mu    sync.Mutex // of writes, so that the last one is the same in both
}

// Init replaces all data.
func (s *observed) Init(all []ldstoretypes.Collection) error {
	if s.flags.Load() == nil {
		return s.DataStore.Init(all)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.DataStore.Init(all); err != nil {
		return err
	}
	flags := new(sync.Map)
	for _, c := range all {
		if c.Kind != ldstoreimpl.Features() {
			continue
		}
		for _, item := range c.Items {
			flags.Store(item.Key, item.Item.Item)
		}
	}
	s.flags.Store(flags)
	return nil
}

// Upsert stores a newer version of an item. That of a deleted one is nil.
func (s *observed) Upsert(kind ldstoretypes.DataKind, key string, item ldstoretypes.ItemDescriptor) (bool, error) {
	if s.flags.Load() == nil || kind != ldstoreimpl.Features() {
		return s.DataStore.Upsert(kind, key, item)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	updated, err := s.DataStore.Upsert(kind, key, item)
	if updated {
		s.flags.Load().Store(key, item.Item)
	}
	return updated, err
}

// Close closes the inner store, and lets another client be made.
func (s *observed) Close() error {
	s.closed.Store(true)
	return s.DataStore.Close()
}
