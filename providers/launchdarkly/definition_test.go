package launchdarkly_test

import (
	"errors"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/launchdarkly/go-sdk-common/v3/ldvalue"
	"github.com/launchdarkly/go-server-sdk-evaluation/v3/ldmodel"
	ld "github.com/launchdarkly/go-server-sdk/v7"
	"github.com/launchdarkly/go-server-sdk/v7/ldcomponents"
	"github.com/launchdarkly/go-server-sdk/v7/subsystems"
	"github.com/launchdarkly/go-server-sdk/v7/subsystems/ldstoreimpl"
	"github.com/launchdarkly/go-server-sdk/v7/subsystems/ldstoretypes"
	"github.com/launchdarkly/go-server-sdk/v7/testhelpers/ldtestdata"
	"github.com/launchdarkly/go-server-sdk/v7/testhelpers/ldtestdatav2"
	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/providers/launchdarkly"
)

func TestDataStoreServesOneClientAtATime(t *testing.T) {
	cfg := ld.Config{DataSource: ldtestdata.DataSource(), DataStore: launchdarkly.DataStore(nil)}
	client := newClient(t, cfg)
	_, err := makeClient(t, cfg, watchdog)
	require.ErrorContains(t, err, "a DataStore serves one client")
	require.NoError(t, client.Close())
	newClient(t, cfg)
}

type storeFunc func(subsystems.ClientContext) (subsystems.DataStore, error)

func (f storeFunc) Build(c subsystems.ClientContext) (subsystems.DataStore, error) { return f(c) }

func TestDataStoreThatCannotBeBuilt(t *testing.T) {
	broken := errors.New("no database")
	defs := launchdarkly.DataStore(storeFunc(func(subsystems.ClientContext) (subsystems.DataStore, error) { return nil, broken }))
	_, err := makeClient(t, ld.Config{DataStore: defs, DataSource: mute{}}, 0)
	require.ErrorIs(t, err, broken)
	require.Equal(t, ldvalue.String("custom"), defs.DescribeConfiguration(nil))
	require.Equal(t, ldvalue.String("memory"), launchdarkly.DataStore(nil).DescribeConfiguration(nil), "the SDK's diagnostics are as without us")
}

// After any writes, by several goroutines at once, what the rollout sees is what
// the client evaluates: else it would not say On.
func TestDefinitionsAreThoseOfTheStore(t *testing.T) {
	for name, defs := range map[string]*launchdarkly.Definitions{
		"copied":    launchdarkly.DataStore(nil),
		"asked for": launchdarkly.DataStore(ldcomponents.InMemoryDataStore()),
	} {
		t.Run(name, func(t *testing.T) {
			var store subsystems.DataStore
			build := storeFunc(func(c subsystems.ClientContext) (_ subsystems.DataStore, err error) {
				store, err = defs.Build(c)
				return store, err
			})
			client := newClient(t, ld.Config{DataSource: ldtestdata.DataSource(), DataStore: build})
			r := launchdarkly.New(client, &launchdarkly.Options{Definitions: defs})
			for seed := range uint64(10) {
				write(t, store, seed)
				requireSeen(t, r)
			}
			var all sync.WaitGroup
			for seed := range uint64(4) {
				all.Go(func() { write(t, store, 100+seed) })
			}
			all.Wait()
			requireSeen(t, r)
		})
	}
}

const flags = 5 // that write writes

// write writes flags of red or blue to a store, and sometimes all data anew, a
// flag that was deleted, or a segment.
func write(t *testing.T, store subsystems.DataStore, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 0))
	for range 200 {
		key, version := strconv.Itoa(random.IntN(flags)), random.IntN(1000)
		f := flag(key).Version(version).FallthroughVariation(1 + random.IntN(2)).Build()
		item := ldstoretypes.ItemDescriptor{Version: version, Item: &f}
		var err error
		switch random.IntN(20) {
		case 0:
			err = store.Init([]ldstoretypes.Collection{
				{Kind: ldstoreimpl.Features(), Items: []ldstoretypes.KeyedItemDescriptor{{Key: key, Item: item}}},
				{Kind: ldstoreimpl.Segments()},
			})
		case 1:
			_, err = store.Upsert(ldstoreimpl.Features(), key, ldstoretypes.ItemDescriptor{Version: version})
		case 2:
			_, err = store.Upsert(ldstoreimpl.Segments(), key, ldstoretypes.ItemDescriptor{Version: version, Item: &ldmodel.Segment{}})
		default:
			_, err = store.Upsert(ldstoreimpl.Features(), key, item)
		}
		if err != nil {
			t.Error(err)
		}
	}
}

func requireSeen(t *testing.T, r core.Rollout) {
	for key := range flags {
		d, err := r.Resolve(t.Context(), request(strconv.Itoa(key), "k"))
		if !errors.Is(err, core.ErrFlagNotFound) {
			require.NoError(t, err)
			require.Equal(t, core.On, d.State)
		}
	}
}

// The SDK then ignores data stores, so nothing is seen and nothing breaks.
func TestFDv2(t *testing.T) {
	source := ldtestdatav2.DataSource()
	source.UsePreconfiguredFlag(redFlag("pill"))
	defs := launchdarkly.DataStore(nil)
	client := newClient(t, ld.Config{DataStore: defs, DataSystem: ldcomponents.DataSystem().Custom().Synchronizers(source)})
	require.Equal(t, core.Decision{State: core.Conditional, Variant: "red", Reason: "FALLTHROUGH"},
		resolve(t, launchdarkly.New(client, &launchdarkly.Options{Definitions: defs}), "pill", "k"))
}

// Flags of another process's, in a store that fails now and then.
func TestPersistentStore(t *testing.T) {
	database := &persistent{}
	defs := launchdarkly.DataStore(ldcomponents.PersistentDataStore(database).NoCaching())
	client := newClient(t, ld.Config{DataSource: ldcomponents.ExternalUpdatesOnly(), DataStore: defs})
	r := launchdarkly.New(client, &launchdarkly.Options{Definitions: defs})
	for variation, want := range map[int]core.State{1: core.On, 0: core.Off} {
		database.put(`{"key":"pill","version":1,"on":true,"variations":["control","red"],"fallthrough":{"variation":`+strconv.Itoa(variation)+`},"salt":"s"}`, nil)
		require.Equal(t, want, resolve(t, r, "pill", "k").State)
	}
	broken := errors.New("connection refused")
	database.put("", broken)
	_, err := r.Resolve(t.Context(), request("pill", "k"))
	require.ErrorIs(t, err, broken)
	require.NotErrorIs(t, err, core.ErrFlagNotFound)
}

// A persistent is a database with one flag.
type persistent struct {
	mu   sync.Mutex
	text string
	err  error
}

func (p *persistent) put(text string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.text, p.err = text, err
}

func (p *persistent) Build(subsystems.ClientContext) (subsystems.PersistentDataStore, error) {
	return p, nil
}

func (p *persistent) Get(kind ldstoretypes.DataKind, key string) (ldstoretypes.SerializedItemDescriptor, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if kind != ldstoreimpl.Features() || !strings.Contains(p.text, `"key":"`+key+`"`) {
		return ldstoretypes.SerializedItemDescriptor{}.NotFound(), p.err
	}
	return ldstoretypes.SerializedItemDescriptor{Version: 1, SerializedItem: []byte(p.text)}, p.err
}

func (p *persistent) GetAll(ldstoretypes.DataKind) ([]ldstoretypes.KeyedSerializedItemDescriptor, error) {
	return nil, nil
}
func (p *persistent) Init([]ldstoretypes.SerializedCollection) error { return nil }
func (p *persistent) Upsert(ldstoretypes.DataKind, string, ldstoretypes.SerializedItemDescriptor) (bool, error) {
	return false, nil
}
func (p *persistent) IsInitialized() bool    { return true }
func (p *persistent) IsStoreAvailable() bool { return true }
func (p *persistent) Close() error           { return nil }
