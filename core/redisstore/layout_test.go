package redisstore

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/internal/servers/redistest"
)

// slots as "redis-cli cluster keyslot" gives them.
func TestSlots(t *testing.T) {
	for key, slot := range map[string]uint16{"": 0, "foo": 12182, "{foo}bar": 12182, "x{foo}": 12182, "{}foo": 9500, "123456789": 12739} {
		require.Equal(t, slot, slotOf(key), "%q", key)
	}
}

func TestPlacesSpread(t *testing.T) {
	s := New(nil, nil)
	defer s.Close()
	const units = 100_000
	shards := make(map[int][]int)
	fields := make(map[string]bool)
	for i := range units {
		// Keys that differ in one digit at their end, as a scheme of one's own
		// may make them.
		p := s.place("shop_pill_color", fmt.Sprintf("customer-%032d", i))
		require.False(t, fields[p.field])
		fields[p.field] = true
		for _, n := range []int{3, 12} {
			if shards[n] == nil {
				shards[n] = make([]int, n)
			}
			shards[n][int(slotOf(p.key))*n/clusterSlots]++
		}
	}
	for n, counts := range shards {
		most := 0
		for _, c := range counts {
			most = max(most, c)
		}
		ratio := float64(most) * float64(n) / units
		t.Logf("%d units on %d shards: fullest shard has %.3f times its share", units, n, ratio)
		require.Less(t, ratio, 1.3)
	}
}

func TestCodesOfNamesFitTheirRange(t *testing.T) {
	for i := range 2000 {
		h := known.hash(fmt.Sprint("name", i))
		require.True(t, 0 <= h && h < nameHashes)
	}
	require.Less(t, firstCode+nameHashes*kinds-1, 1<<15)
}

// Two names with one hash can't both be in a head: the second is written in
// full.
func TestNamesThatCollide(t *testing.T) {
	var pair []string
	byHash := map[int]string{}
	for i := 0; pair == nil; i++ {
		name := fmt.Sprint("v", i)
		if other, ok := byHash[known.hash(name)]; ok {
			pair = []string{other, name}
		}
		byHash[known.hash(name)] = name
	}
	require.Equal(t, encode(final(pair[0])).coded, encode(final(pair[1])).coded)
	s := New(redistest.Start(t).Client(), &Options{Budget: 5 * time.Second, Buckets: func(string) int { return 1 }})
	defer s.Close()
	for i := range 4 {
		_, _, _, err := s.Load(t.Context(), "e", fmt.Sprint("k", i), nil) // as the core does
		require.NoError(t, err)
		_, err = s.Claim(t.Context(), "e", fmt.Sprint("k", i), core.Entry{}, final(pair[i%2]))
		require.NoError(t, err)
	}
	for i := range 4 {
		e, _, _, err := s.Load(t.Context(), "e", fmt.Sprint("k", i), nil)
		require.NoError(t, err)
		require.Equal(t, final(pair[i%2]), e)
		e, err = s.Claim(t.Context(), "e", fmt.Sprint("k", i), final(pair[i%2]), final(pair[1-i%2]))
		require.NoError(t, err)
		require.Equal(t, final(pair[1-i%2]), e)
	}
}

func final(variant string) core.Entry {
	return core.Entry{Variant: variant, Origin: core.SourceResolved, Final: true}
}

func FuzzDecode(f *testing.F) {
	for _, e := range []core.Entry{{Variant: "red", Origin: core.SourceResolved, Final: true},
		{Variant: core.Control, Origin: core.SourceResolved, Under: "0a1b2c3d"}, {Variant: "x", Previous: "y", Under: "\"\n"}} {
		form := encode(e)
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
		require.NotEmpty(t, e.Variant)
		form := encode(e)
		again, err := decode(form.coded, "abcd\n"+form.name)
		require.NoError(t, err)
		require.Equal(t, e, again)
	})
}

func TestHeadsThatAreDue(t *testing.T) {
	now := time.Unix(1_900_000_000, 0)
	head := func(age time.Duration) string {
		at := uint32(now.Add(-age).Unix())
		return string([]byte{byte(at >> 24), byte(at >> 16), byte(at >> 8), byte(at)})
	}
	for age, want := range map[time.Duration]bool{0: false, 24*time.Hour - time.Second: false, 24 * time.Hour: true,
		-23 * time.Hour: false, -24 * time.Hour: true, 1000 * time.Hour: true} {
		require.Equal(t, want, due(head(age), now, readRenews), age)
	}
	require.True(t, due("", now, readRenews))
	require.True(t, due("abc", now, readRenews))
}

func TestBucketCounts(t *testing.T) {
	for n, bits := range map[int]int{-1: 15, 0: 15, 1: 0, 2: 1, 3: 2, 1 << 15: 15, 1<<15 + 1: 16, 1 << 30: 24} {
		o := (&Options{Buckets: func(string) int { return n }}).withDefaults()
		require.Equal(t, bits, o.bucketBits("e"), n)
	}
	s := New(nil, nil)
	defer s.Close()
	for bits, want := range map[int]string{0: "rk:e:0:", 1: "rk:e:1:1", 4: "rk:e:4:f", 5: "rk:e:5:1f", 15: "rk:e:15:7fff", 24: "rk:e:24:ffffff"} {
		require.Equal(t, want, s.bucketKey("e", bits, 1<<bits-1))
	}
}

func TestCacheIsBounded(t *testing.T) {
	c := newCache(320)
	id := func(i int) (id [fieldBytes]byte) {
		copy(id[:], hex.EncodeToString([]byte{byte(i), byte(i >> 8), byte(i >> 16), byte(i * 7), byte(i >> 3), 1, 2, 3}))
		return id
	}
	now := time.Now()
	for i := range 10_000 {
		c.put(id(i), core.Entry{Variant: fmt.Sprint(i)}, now)
		_, ok := c.get(id(i), time.Time{})
		require.True(t, ok)
		if rand.N(10) == 0 {
			c.drop(id(i))
			_, ok := c.get(id(i), time.Time{})
			require.False(t, ok)
		}
	}
	require.LessOrEqual(t, c.len(), 320)
	require.Greater(t, c.len(), 100)
	for i := range 10_000 {
		if e, ok := c.get(id(i), time.Time{}); ok {
			require.Equal(t, fmt.Sprint(i), e.Variant)
		}
	}
	_, ok := c.get(id(9999), now.Add(time.Second))
	require.False(t, ok, "too old")
	c.clear()
	require.Zero(t, c.len())

	var none *cache
	none.put(id(1), core.Entry{}, now)
	none.drop(id(1))
	none.clear()
	_, ok = none.get(id(1), time.Time{})
	require.False(t, ok)
	require.Zero(t, none.len())
}

func TestVersions(t *testing.T) {
	for v, old := range map[string]bool{"6.2.0": false, "6.0.16": true, "5.0.7": true, "7.0.15": false, "10.1": false, "valkey": false, "": false} {
		require.Equal(t, old, tooOld(v), v)
	}
}
