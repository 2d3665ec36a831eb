package redisstore

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
)

func FuzzDecode(f *testing.F) {
	for _, e := range []core.Entry{{Variant: "red", Origin: core.SourceResolved},
		{Variant: core.Control, Origin: core.SourceResolved, Open: "0a1b2c3d"}, {Variant: "x", Previous: "y", Open: "\"\n"}} {
		form, err := encode(e)
		require.NoError(f, err)
		f.Add(form.coded, "abcd\nred\nblue")
		f.Add(form.literal, "")
	}
	f.Add("29296", "abcd\n\n")
	f.Add("29296", "abc")
	f.Fuzz(func(t *testing.T, value, head string) {
		e, err := decode(value, head)
		if err != nil {
			require.ErrorIs(t, err, ErrUnreadable)
			require.Zero(t, e)
			return
		}
		form, err := encode(e)
		require.NoError(t, err)
		again, err := decode(form.coded, "abcd\n"+form.name)
		require.NoError(t, err)
		require.Equal(t, e, again)
	})
}

// Slots are those that "redis-cli cluster keyslot" gives.
func TestSlots(t *testing.T) {
	for key, slot := range map[string]uint16{"": 0, "foo": 12182, "{foo}bar": 12182, "x{foo}": 12182, "{}foo": 9500, "123456789": 12739} {
		t.Run(key, func(t *testing.T) { require.Equal(t, slot, slotOf(key)) })
	}
}

func TestPlacesSpreadOverShards(t *testing.T) {
	const units = 100_000
	s := &Store{opts: (*Options)(nil).withDefaults()}
	fields := make(map[string]bool)
	shards := map[int][]int{3: make([]int, 3), 12: make([]int, 12)}
	for i := range units {
		// Keys that differ in one digit at their end, as a scheme of one's own
		// may make them.
		p := s.place("shop_pill_color", fmt.Sprintf("customer-%032d", i))
		fields[p.field] = true
		for n, counts := range shards {
			counts[int(slotOf(p.key))*n/clusterSlots]++
		}
	}
	require.Len(t, fields, units)
	for n, counts := range shards {
		require.Less(t, float64(slices.Max(counts))*float64(n)/units, 1.3, "the fullest of %d shards has so many times its share", n)
	}
}

func TestVersions(t *testing.T) {
	for v, old := range map[string]bool{"6.2.0": false, "6.0.16": true, "5.0.7": true, "7.0.15": false, "10.1": false, "valkey": false, "": false} {
		t.Run(v, func(t *testing.T) { require.Equal(t, old, tooOld(v)) })
	}
}
