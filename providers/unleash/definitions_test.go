package unleash

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
)

// TestParentsMove: parents are not part of the pinned definition. An answer
// that does not fit it is asked for once more, by the newest definitions.
func TestParentsMove(t *testing.T) {
	f := newFake(t, "["+parent("", share100())+"]")
	client := newClient(t, f.URL)
	r := New(client, &Options{Refresh: time.Hour})
	eventually(t, func() bool { d, err := ask(r, "x", "alice"); return err == nil && d.State == core.On })
	f.set(t, "["+child("")+`,{"name":"p"}]`, "")
	eventually(t, func() bool { return !client.IsEnabled("p") })
	d, err := ask(r, "x", "alice")
	require.NoError(t, err)
	require.Equal(t, core.Off, d.State, "a control under a state of on would be an error")
}

// TestWithoutStorage: a client that the team already has works too, over a copy
// of its toggles.
func TestWithoutStorage(t *testing.T) {
	f := newFake(t, "["+enabled()+"]")
	client := newClient(t, f.URL)
	r := New(client, &Options{Refresh: time.Millisecond})
	eventually(t, func() bool { _, err := ask(r, "x", "alice"); return err == nil })
	_, err := ask(r, "y", "alice")
	require.ErrorIs(t, err, core.ErrFlagNotFound)

	f.set(t, `[{"name":"x","enabled":false}]`, "")
	eventually(t, func() bool { d, err := ask(r, "x", "alice"); return err == nil && d.State == core.Off })

	slow := New(client, &Options{Refresh: time.Hour})
	d, err := ask(slow, "x", "alice")
	require.NoError(t, err)
	require.Equal(t, core.Off, d.State)
	f.set(t, "["+enabled(share100(variants("red=1", "")))+"]", "")
	eventually(t, func() bool { d, err := ask(r, "x", "alice", "control", "red"); return err == nil && d.State == core.On })
	d, err = ask(slow, "x", "alice")
	require.NoError(t, err)
	require.Equal(t, core.Off, d.State, "the copy is good for an hour, state and variant alike")
}

// TestWithoutStorageNotReady: that there are no toggles is not kept for as long
// as toggles are.
func TestWithoutStorageNotReady(t *testing.T) {
	f := newFake(t, "["+enabled()+"]")
	f.answer(http.StatusServiceUnavailable)
	r := New(newClient(t, f.URL), &Options{Refresh: time.Hour})
	_, err := ask(r, "x", "alice")
	require.ErrorIs(t, err, core.ErrNotReady)
	f.answer(0)
	eventually(t, func() bool { _, err := ask(r, "x", "alice"); return err == nil })
}

// TestWithoutStorageInParallel is for -race.
func TestWithoutStorageInParallel(t *testing.T) {
	f := newFake(t, "["+enabled()+"]")
	r := New(newClient(t, f.URL), &Options{Refresh: time.Microsecond})
	eventually(t, func() bool { _, err := ask(r, "x", "alice"); return err == nil })
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 200 {
				if _, err := ask(r, "x", "alice"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
}
