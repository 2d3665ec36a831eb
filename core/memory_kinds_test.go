package core

import (
	"context"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

func TestKindsAreForgottenAndIdsReused(t *testing.T) {
	var k kinds
	k.init(2)
	a, err := k.acquire("e", memRed)
	require.NoError(t, err)
	again, _ := k.acquire("e", memRed)
	require.Equal(t, a, again)
	b, _ := k.acquire("e", memBlue)
	require.NotEqual(t, a, b)
	_, err = k.acquire("other", memRed)
	require.EqualError(t, err, "core: experiment other: the memory store holds 2 entries that differ in more than the key, and no more fit")
	k.release(a)
	require.Equal(t, kind{"e", memRed}, k.at(a).kind, "one entry is left")
	k.release(a)
	require.Len(t, k.ids, 1)
	c, err := k.acquire("other", memRed)
	require.NoError(t, err)
	require.Equal(t, a, c)
	require.Equal(t, kind{"other", memRed}, k.at(c).kind)
}

func TestKindsKeepNothingLarge(t *testing.T) {
	var k kinds
	k.init(2)
	large := "red and a page of text"
	id, err := k.acquire("e", Entry{Variant: large[:3]})
	require.NoError(t, err)
	require.Equal(t, "red", k.at(id).entry.Variant)
	require.False(t, unsafe.StringData(large) == unsafe.StringData(k.at(id).entry.Variant), "it is a copy")
}

func TestMemoryStoreOutOfKinds(t *testing.T) {
	m := NewMemoryStore(nil)
	m.kinds.init(1)
	ctx := context.Background()
	memClaim(t, m, "e", "k", Entry{}, memRed)
	_, err := m.Claim(ctx, "e", "k2", Entry{}, memBlue)
	require.ErrorContains(t, err, "no more fit")
	require.ErrorContains(t, m.Save(ctx, "e", "k", memBlue), "no more fit")
	e, _, ok := memLoad(t, m, "e", "k")
	require.True(t, ok)
	require.Equal(t, memRed, e, "what stood stands")
	require.Equal(t, 1, m.Len())
}
