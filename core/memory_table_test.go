package core

import (
	"math"
	"reflect"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// hasPointers reports whether the garbage collector looks into values like v.
func hasPointers(v any) bool {
	var in func(reflect.Type) bool
	in = func(t reflect.Type) bool {
		switch t.Kind() {
		case reflect.Struct:
			for i := range t.NumField() {
				if in(t.Field(i).Type) {
					return true
				}
			}
			return false
		case reflect.Array:
			return in(t.Elem())
		case reflect.Uint64, reflect.Uint32, reflect.Uint8:
			return false
		}
		return true
	}
	return in(reflect.TypeOf(v))
}

// tableSlot returns a slot whose under tells it apart.
func tableSlot(h hash128) slot {
	return slot{h, h.hi ^ 3*h.lo, newMeta(1, 0, passesUsed)}
}

func checkTable(t require.TestingT, tb *table, want map[hash128]bool) {
	require.Equal(t, len(want), tb.used)
	var seen []hash128
	for i, s := range tb.slots {
		if s.empty() {
			continue
		}
		require.Equal(t, tableSlot(s.hash), s)
		require.True(t, want[s.hash])
		seen = append(seen, s.hash)
		for j := tb.home(s.hash); j < i; j++ {
			require.False(t, tb.slots[j].empty(), "no gap between a slot and its home")
		}
	}
	require.True(t, slices.IsSortedFunc(seen, func(a, b hash128) int {
		if a.less(b) {
			return -1
		}
		return 1
	}))
	require.Len(t, seen, len(want))
	for h := range want {
		_, ok := tb.find(h)
		require.True(t, ok)
	}
	if n := len(tb.slots); n > 0 {
		require.True(t, tb.slots[n-1].empty(), "the end stays empty")
	}
}

func TestTableAgainstModel(t *testing.T) {
	// Few different high halves, so that slots crowd, at both ends too.
	hash := rapid.Custom(func(t *rapid.T) hash128 {
		hi := rapid.SampledFrom([]uint64{0, 1, 1 << 62, 1<<62 + 1, 1 << 63, math.MaxUint64 - 1, math.MaxUint64}).Draw(t, "hi")
		if rapid.Bool().Draw(t, "any") {
			hi = rapid.Uint64().Draw(t, "hi")
		}
		return hash128{hi, rapid.Uint64Range(0, 40).Draw(t, "lo")}
	})
	rapid.Check(t, func(t *rapid.T) {
		tb := table{share: rapid.IntRange(1, 100).Draw(t, "share")}
		want := map[hash128]bool{}
		t.Repeat(map[string]func(*rapid.T){
			"insert": func(t *rapid.T) {
				if h := hash.Draw(t, "hash"); !want[h] {
					tb.insert(tableSlot(h))
					want[h] = true
				}
			},
			"find": func(t *rapid.T) {
				h := hash.Draw(t, "hash")
				_, ok := tb.find(h)
				require.Equal(t, want[h], ok)
			},
			"remove": func(t *rapid.T) {
				h := hash.Draw(t, "hash")
				if i, ok := tb.find(h); ok {
					tb.remove(i)
					delete(want, h)
				}
			},
			"evict": func(t *rapid.T) {
				if tb.used > 0 {
					i := tb.victim(0)
					delete(want, tb.slots[i].hash)
					tb.remove(i)
				}
				for i := range tb.slots { // as checkTable wants them
					if !tb.slots[i].empty() {
						tb.slots[i].use(0)
					}
				}
			},
			"keep": func(t *rapid.T) {
				bit := rapid.Uint64Range(1, 3).Draw(t, "bit")
				tb.keep(func(s *slot) bool { return s.hash.lo&bit != 0 })
				for h := range want {
					if h.lo&bit == 0 {
						delete(want, h)
					}
				}
			},
			"": func(t *rapid.T) { checkTable(t, &tb, want) },
		})
	})
}

// All slots at the last home: the tail is too short for them.
func TestTableTailOverflows(t *testing.T) {
	tb := table{share: 1000}
	want := map[hash128]bool{}
	for i := range uint64(1000) {
		h := hash128{math.MaxUint64, i * 7919 % 1000}
		tb.insert(tableSlot(h))
		want[h] = true
	}
	checkTable(t, &tb, want)
}

func TestSlotFields(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.Uint32Range(1, maxKinds).Draw(t, "id")
		now := rapid.Int64Range(0, stampMask).Draw(t, "now")
		var s slot
		require.True(t, s.empty())
		s.meta = newMeta(id, rapid.Int64Range(0, stampMask).Draw(t, "before"), rapid.Uint64Range(0, 2).Draw(t, "passes"))
		require.False(t, s.empty())
		s.use(now)
		require.Equal(t, id, s.kind())
		require.Equal(t, now, s.stamp())
		require.EqualValues(t, passesUsed, s.passes())
	})
}

func TestPackUnder(t *testing.T) {
	for _, s := range []string{"", "0", "0123abcd", "ü", "\xff\xff\xff\xff\xff\xff\xff\xff"} {
		p, ok := packUnder(s)
		require.True(t, ok, s)
		require.Equal(t, s, unpackUnder(p, s+"and more"))
		require.Equal(t, s, unpackUnder(p, "another one"))
		require.Equal(t, s, unpackUnder(p, ""))
	}
	for _, s := range []string{"012345678", "a\x00", "\x00"} {
		_, ok := packUnder(s)
		require.False(t, ok, s)
	}
}
