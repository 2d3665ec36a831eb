package core

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	_ Store       = (*MemoryStore)(nil)
	_ BatchLoader = (*MemoryStore)(nil)
	_ Counter     = (*MemoryStore)(nil)
)

// memKey returns a key as the core makes them.
func memKey(n uint64) string { return fmt.Sprintf("%016x%048x", n*0x9E3779B97F4A7C15, n) }

func memLoad(t require.TestingT, m *MemoryStore, experiment, key string, older ...string) (Entry, []string, bool) {
	e, others, ok, err := m.Load(context.Background(), experiment, key, older)
	require.NoError(t, err)
	return e, others, ok
}

func memClaim(t require.TestingT, m *MemoryStore, experiment, key string, old, e Entry) Entry {
	stands, err := m.Claim(context.Background(), experiment, key, old, e)
	require.NoError(t, err)
	return stands
}

var (
	memRed  = Entry{Variant: "red", Origin: SourceResolved, Final: true}
	memBlue = Entry{Variant: "blue", Origin: SourceSegmented, Final: true}
	memOpen = Entry{Variant: Control, Origin: SourceResolved, Under: "0123abcd"}
)

func TestMemoryStoreOptions(t *testing.T) {
	m := NewMemoryStore(nil)
	require.EqualValues(t, 1_000_000, m.max)
	require.EqualValues(t, 0, m.ttl)
	require.Len(t, m.shards, maxShards)

	m = NewMemoryStore(&MemoryOptions{MaxEntries: -1, TTL: -time.Second})
	require.EqualValues(t, 1_000_000, m.max)
	require.EqualValues(t, 0, m.ttl)

	m = NewMemoryStore(&MemoryOptions{MaxEntries: 4096, TTL: time.Millisecond + 1})
	require.Len(t, m.shards, 4)
	require.EqualValues(t, 2, m.ttl, "rounded up")
}

func TestMemoryStoreClaim(t *testing.T) {
	m := NewMemoryStore(nil)
	_, _, ok := memLoad(t, m, "e", "k")
	require.False(t, ok)
	require.Equal(t, memOpen, memClaim(t, m, "e", "k", Entry{}, memOpen))
	require.Equal(t, memOpen, memClaim(t, m, "e", "k", Entry{}, memRed), "what stands, stands")
	require.Equal(t, memOpen, memClaim(t, m, "e", "k", memBlue, memRed), "old is another")
	almost := memOpen
	almost.Under = "0123abce"
	require.Equal(t, memOpen, memClaim(t, m, "e", "k", almost, memRed), "old differs in one field")
	require.Equal(t, memRed, memClaim(t, m, "e", "k", memOpen, memRed))
	require.Equal(t, memBlue, memClaim(t, m, "e", "k2", memRed, memBlue), "nothing stands: old does not matter")
	require.NoError(t, m.Save(context.Background(), "e", "k", memBlue))
	e, others, ok := memLoad(t, m, "e", "k")
	require.True(t, ok)
	require.Equal(t, memBlue, e)
	require.Nil(t, others)
	require.Equal(t, 2, m.Len())
}

func TestMemoryStoreRefusesNoVariant(t *testing.T) {
	m := NewMemoryStore(nil)
	_, err := m.Claim(context.Background(), "pill", "k", Entry{}, Entry{Final: true})
	require.EqualError(t, err, "core: experiment pill: an entry without a variant can't be stored")
	require.ErrorContains(t, m.Save(context.Background(), "pill", "k", Entry{}), "pill")
	require.Equal(t, 0, m.Len())
}

func TestMemoryStoreLoadOlder(t *testing.T) {
	m := NewMemoryStore(nil)
	ctx := context.Background()
	_, others, ok := memLoad(t, m, "e", "new", "old1", "old2")
	require.False(t, ok)
	require.Nil(t, others)
	require.Equal(t, 0, m.Len())

	require.NoError(t, m.Save(ctx, "e", "old2", memRed))
	require.NoError(t, m.Save(ctx, "e", "old3", memBlue))
	require.NoError(t, m.Save(ctx, "e", "old4", memOpen))
	require.NoError(t, m.Save(ctx, "e", "old5", Entry{Variant: Control, Final: true}))
	require.NoError(t, m.Save(ctx, "e", "old6", Entry{Variant: "red", Origin: SourceForced, Final: true}))
	older := []string{"old1", "old2", "old3", "old4", "old5", "old6"}
	for range 2 { // copied, then found
		e, others, ok := memLoad(t, m, "e", "new", older...)
		require.True(t, ok)
		require.Equal(t, memRed, e, "the first of older that has one")
		require.Equal(t, []string{"old3", "old5"}, others, "another variant, open controls excepted")
	}
	e, _, ok := memLoad(t, m, "e", "new")
	require.True(t, ok, "it was copied")
	require.Equal(t, memRed, e)
	e, _, ok = memLoad(t, m, "e", "old2")
	require.True(t, ok, "the old one stays")
	require.Equal(t, memRed, e)

	e, others, _ = memLoad(t, m, "e", "fresh", "old4", "old2")
	require.Equal(t, memOpen, e, "an open control is copied too")
	require.Equal(t, []string{"old2"}, others)
}

func TestMemoryStoreDeleteAndClear(t *testing.T) {
	m := NewMemoryStore(nil)
	ctx := context.Background()
	for i := range uint64(1000) {
		memClaim(t, m, "one", memKey(i), Entry{}, memRed)
		memClaim(t, m, "two", memKey(i), Entry{}, memBlue)
	}
	n, err := m.Increment(ctx, "one", "robin", 5)
	require.NoError(t, err)
	require.EqualValues(t, 5, n)
	n, _ = m.Increment(ctx, "two", "robin", 7)
	require.EqualValues(t, 7, n)

	require.NoError(t, m.Delete(ctx, "one", memKey(3), "absent", memKey(4)))
	require.NoError(t, m.Delete(ctx, "one"))
	require.Equal(t, 1998, m.Len())
	_, _, ok := memLoad(t, m, "one", memKey(3))
	require.False(t, ok)
	_, _, ok = memLoad(t, m, "two", memKey(3))
	require.True(t, ok)

	require.NoError(t, m.Clear(ctx, "one"))
	require.Equal(t, 1000, m.Len())
	require.Len(t, m.kinds.ids, 1, "the kinds of the experiment are forgotten")
	for i := range uint64(1000) {
		_, _, ok := memLoad(t, m, "one", memKey(i))
		require.False(t, ok)
		e, _, _ := memLoad(t, m, "two", memKey(i))
		require.Equal(t, memBlue, e)
	}
	n, _ = m.Increment(ctx, "one", "robin", 1)
	require.EqualValues(t, 1, n, "counts are cleared")
	n, _ = m.Increment(ctx, "two", "robin", -1)
	require.EqualValues(t, 6, n)
	require.NoError(t, m.Clear(ctx, "two"))
	require.Equal(t, 0, m.Len())
	for i := range m.shards {
		require.Empty(t, m.shards[i].slots, "memory is given back")
	}
	require.NoError(t, m.Clear(ctx, "never seen"))
}

func TestMemoryStoreExpiry(t *testing.T) {
	m := NewMemoryStore(&MemoryOptions{TTL: 10 * time.Millisecond})
	var now time.Duration
	m.now = func() time.Duration { return now }
	memClaim(t, m, "e", "read", Entry{}, memRed)
	memClaim(t, m, "e", "claimed", Entry{}, memRed)
	memClaim(t, m, "e", "older", Entry{}, memRed)
	memClaim(t, m, "e", "idle", Entry{}, memRed)
	now += 8 * time.Millisecond
	_, _, ok := memLoad(t, m, "e", "read")
	require.True(t, ok)
	require.Equal(t, memRed, memClaim(t, m, "e", "claimed", Entry{}, memBlue))
	_, _, ok = memLoad(t, m, "e", "new", "older")
	require.True(t, ok)
	now += 8 * time.Millisecond
	for key, want := range map[string]bool{"read": true, "claimed": true, "new": true, "older": false, "idle": false} {
		_, _, ok := memLoad(t, m, "e", key)
		require.Equal(t, want, ok, key)
	}
	require.Equal(t, 3, m.Len())
	now += time.Hour
	require.Equal(t, 3, m.Len(), "nothing came upon them")
	require.Equal(t, memBlue, memClaim(t, m, "e", "read", memBlue, memBlue), "expired is absent")
	_, _, ok = memLoad(t, m, "e", "read")
	require.True(t, ok)

	// A full store drops what has expired before what is new, though it was
	// used more.
	const half = 1000
	m = newMemoryStore(2*half, 1, time.Second)
	m.now = func() time.Duration { return now }
	for range 2 {
		for i := range uint64(half) {
			memClaim(t, m, "e", memKey(i), Entry{}, memRed)
		}
	}
	now += 2 * time.Second
	for i := range uint64(2 * half) {
		memClaim(t, m, "e", memKey(half+i), Entry{}, memRed)
	}
	require.Equal(t, 2*half, m.Len())
	kept := 0
	for i := range uint64(2 * half) {
		if _, _, ok := memLoad(t, m, "e", memKey(half+i)); ok {
			kept++
		}
	}
	require.Greater(t, kept, 2*half*3/4)
}

func FuzzMemoryRoundTrip(f *testing.F) {
	f.Add("pill_color", strings.Repeat("ab", 32), "red", "", uint8(SourceResolved), true, "")
	f.Add("shop_pill", strings.Repeat("0", 64), "control", "", uint8(SourceResolved), false, "00000000")
	f.Add("e", "user:ü", "Große Pille 1.0", "control", uint8(200), true, "user:\xc3")
	f.Add("", "", "x", "y", uint8(0), false, "\x00\x00nine bytes\x00")
	m := NewMemoryStore(&MemoryOptions{MaxEntries: 100_000})
	f.Fuzz(func(t *testing.T, experiment, key, variant, previous string, origin uint8, final bool, under string) {
		e := Entry{Variant: variant, Previous: previous, Origin: Source(origin), Final: final, Under: under}
		ctx := context.Background()
		if variant == "" {
			require.Error(t, m.Save(ctx, experiment, key, e))
			return
		}
		require.NoError(t, m.Save(ctx, experiment, key, e))
		got, _, ok := memLoad(t, m, experiment, key)
		require.True(t, ok)
		require.Equal(t, e, got)
		got, _, ok = memLoad(t, m, experiment, key+"+", key)
		require.True(t, ok)
		require.Equal(t, e, got)
		require.Equal(t, memRed, memClaim(t, m, experiment, key, e, memRed), "an entry equals itself")
		require.NoError(t, m.Delete(ctx, experiment, key, key+"+"))
		_, _, ok = memLoad(t, m, experiment, key)
		require.False(t, ok)
	})
}
