package launchdarkly

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
)

func TestDataStoreServesOneClient(t *testing.T) {
	defs := DataStore(nil)
	cfg := ld.Config{DataSource: ldtestdata.DataSource(), DataStore: defs, Events: ldcomponents.NoEvents(), Logging: ldcomponents.NoLogging()}
	client, err := ld.MakeCustomClient("k", cfg, watchdog)
	require.NoError(t, err)
	_, err = ld.MakeCustomClient("k", cfg, watchdog)
	require.ErrorContains(t, err, "a DataStore serves one client")
	require.NoError(t, client.Close())

	// A client that is made anew with the same config is fine.
	client, err = ld.MakeCustomClient("k", cfg, watchdog)
	require.NoError(t, err)
	require.NoError(t, client.Close())
}

func TestDataStoreThatCannotBeBuilt(t *testing.T) {
	broken := errors.New("no database")
	defs := DataStore(storeFunc(func() (subsystems.DataStore, error) { return nil, broken }))
	_, err := ld.MakeCustomClient("k", ld.Config{DataStore: defs, DataSource: mute{}, Logging: ldcomponents.NoLogging()}, 0)
	require.ErrorIs(t, err, broken)
	require.Nil(t, defs.flag("pill"))
	require.Equal(t, ldvalue.String("custom"), defs.DescribeConfiguration(nil))
	require.Equal(t, ldvalue.String("memory"), DataStore(nil).DescribeConfiguration(nil), "the SDK's diagnostics are as without us")
}

type storeFunc func() (subsystems.DataStore, error)

func (f storeFunc) Build(subsystems.ClientContext) (subsystems.DataStore, error) { return f() }

// TestDefinitionsAreThoseOfTheStore: after any writes, by several goroutines at
// once, both hold the same.
func TestDefinitionsAreThoseOfTheStore(t *testing.T) {
	t.Run("copied", func(t *testing.T) { testDefinitions(t, DataStore(nil)) })
	t.Run("asked for", func(t *testing.T) { testDefinitions(t, DataStore(ldcomponents.InMemoryDataStore())) })
}

func testDefinitions(t *testing.T, defs *Definitions) {
	store, err := defs.Build(subsystems.BasicClientContext{})
	require.NoError(t, err)
	same := func() {
		t.Helper()
		for key := range 5 {
			item, err := store.Get(ldstoreimpl.Features(), strconv.Itoa(key))
			require.NoError(t, err)
			want, _ := item.Item.(*ldmodel.FeatureFlag)
			require.Same(t, want, defs.flag(strconv.Itoa(key)))
		}
	}
	check := func(err error) {
		if err != nil {
			t.Error(err)
		}
	}
	write := func(seed uint64) {
		random := rand.New(rand.NewPCG(seed, 0))
		for range 200 {
			key, version := strconv.Itoa(random.IntN(5)), random.IntN(1000)
			item := ldstoretypes.ItemDescriptor{Version: version, Item: &ldmodel.FeatureFlag{Key: key, Version: version}}
			switch random.IntN(20) {
			case 0:
				check(store.Init([]ldstoretypes.Collection{
					{Kind: ldstoreimpl.Features(), Items: []ldstoretypes.KeyedItemDescriptor{{Key: key, Item: item}}},
					{Kind: ldstoreimpl.Segments()},
				}))
			case 1: // a flag that was deleted
				_, err := store.Upsert(ldstoreimpl.Features(), key, ldstoretypes.ItemDescriptor{Version: version})
				check(err)
			case 2:
				_, err := store.Upsert(ldstoreimpl.Segments(), key, ldstoretypes.ItemDescriptor{Version: version, Item: &ldmodel.Segment{}})
				check(err)
			default:
				_, err := store.Upsert(ldstoreimpl.Features(), key, item)
				check(err)
			}
		}
	}
	for seed := range uint64(10) {
		write(seed)
		same()
	}
	var all sync.WaitGroup
	for seed := range uint64(4) {
		all.Go(func() { write(100 + seed) })
	}
	all.Wait()
	same()
}

// TestFDv2: the SDK then ignores data stores, so nothing is seen and nothing
// breaks.
func TestFDv2(t *testing.T) {
	source := ldtestdatav2.DataSource()
	source.UsePreconfiguredFlag(flag("pill").FallthroughVariation(1).Build())
	defs := DataStore(nil)
	client := newClient(t, ld.Config{DataStore: defs, DataSystem: ldcomponents.DataSystem().Custom().Synchronizers(source)})
	d, err := New(client, &Options{Definitions: defs}).Resolve(t.Context(), request("pill", "k"))
	require.NoError(t, err)
	require.Equal(t, core.Decision{State: core.Conditional, Variant: "red", Reason: "FALLTHROUGH"}, d)
	require.Nil(t, defs.flag("pill"))
}

// TestPersistentStore: flags of another process's, in a store that fails now and
// then.
func TestPersistentStore(t *testing.T) {
	database := &persistent{}
	database.put(`{"key":"pill","version":1,"on":true,"variations":["control","red"],"fallthrough":{"variation":1},"salt":"s"}`)
	defs := DataStore(ldcomponents.PersistentDataStore(database).NoCaching())
	client := newClient(t, ld.Config{DataSource: ldcomponents.ExternalUpdatesOnly(), DataStore: defs})
	r := New(client, &Options{Definitions: defs})
	d, err := r.Resolve(t.Context(), request("pill", "k"))
	require.NoError(t, err)
	require.Equal(t, core.On, d.State)

	database.put(`{"key":"pill","version":2,"on":true,"variations":["control","red"],"fallthrough":{"variation":0},"salt":"s"}`)
	d, err = r.Resolve(t.Context(), request("pill", "k"))
	require.NoError(t, err)
	require.Equal(t, core.Off, d.State)

	broken := errors.New("connection refused")
	database.fail(broken)
	_, err = r.Resolve(t.Context(), request("pill", "k"))
	require.ErrorIs(t, err, broken)
	require.NotErrorIs(t, err, core.ErrFlagNotFound)
	require.Nil(t, defs.flag("pill"))
}

// A persistent is a database with one flag.
type persistent struct {
	mu   sync.Mutex
	text string
	err  error
}

func (p *persistent) put(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.text = text
}

func (p *persistent) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = err
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
