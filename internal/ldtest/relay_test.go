package ldtest

import (
	"io"
	"net"
	"net/http"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) { os.Exit(Main(m)) }

// TestRelay: it serves what it is told, to whoever has the key, and to nobody
// outside.
func TestRelay(t *testing.T) {
	r := Start(t, []byte(`{"flags":{"one":{"key":"one","version":1}},"segments":{}}`))
	get := func(key string) (int, string) {
		q, err := http.NewRequest("GET", r.URL+"/sdk/flags", nil)
		require.NoError(t, err)
		q.Header.Set("Authorization", key)
		answer, err := http.DefaultClient.Do(q)
		require.NoError(t, err)
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		return answer.StatusCode, string(body)
	}
	status, body := get(SDKKey)
	require.Equal(t, 200, status)
	require.Contains(t, body, `"one"`)
	status, _ = get("sdk-another")
	require.Equal(t, 401, status)

	all, err := net.Interfaces()
	require.NoError(t, err)
	for _, i := range all {
		require.True(t, i.Flags&net.FlagLoopback != 0 || i.Flags&net.FlagUp == 0, "%s is up: the relay listens on it", i.Name)
	}
}
