package redistest

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

func TestDisturbances(t *testing.T) {
	s := Start(t)
	p := NewProxy(t, s.Addr)
	ctx := context.Background()
	hasty := redis.NewClient(&redis.Options{Addr: p.Addr, DisableIdentity: true, MaxRetries: -1,
		ReadTimeout: 100 * time.Millisecond, DialerRetries: 1, Protocol: 2})
	t.Cleanup(func() { _ = hasty.Close() })
	answers := func() bool { return hasty.Set(ctx, "a", 1, 0).Err() == nil }
	for _, disturbance := range []struct {
		name       string
		begin, end func()
	}{
		{"black hole", p.BlackHole, p.Pass},
		{"reset", p.Reset, p.Pass},
		{"stopped", s.Stop, s.Cont},
		{"killed", s.Kill, s.Restart},
	} {
		t.Run(disturbance.name, func(t *testing.T) {
			Wait(t, "an answer before", answers)
			disturbance.begin()
			require.False(t, answers())
			disturbance.end()
			Wait(t, "an answer after", answers)
		})
	}

	patient := redis.NewClient(&redis.Options{Addr: p.Addr, DisableIdentity: true, ReadTimeout: startup, Protocol: 2})
	t.Cleanup(func() { _ = patient.Close() })
	require.NoError(t, patient.Set(ctx, "a", 1, 0).Err())
	before := p.RoundTrips()
	require.Equal(t, "1", patient.Get(ctx, "a").Val())
	require.EqualValues(t, 1, p.RoundTrips()-before)
	s.Kill()
	s.Restart()
	require.ErrorIs(t, patient.Get(ctx, "a").Err(), redis.Nil, "nothing is kept on disk")
}
