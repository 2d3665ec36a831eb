package unleash

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/Unleash/unleash-client-go/v4/api"

	"github.com/rolloutkit/rolloutkit/core"
)

func TestPayload(t *testing.T) {
	withPayload := func(value string) string {
		return `"variants":[{"name":"red","weight":1,"payload":{"type":"json","value":"` + value + `"}},{"name":"blue","weight":1}]`
	}
	r := offline(t, "["+enabled(share50(withPayload("1")))+
		`,{"name":"y","enabled":true,`+withPayload("2")+`},`+
		toggleNamed("z", []string{share50(withPayload("1")), share100(withPayload("2"))})+"]", nil)
	p, err := r.Payload("x", "red")
	require.NoError(t, err)
	require.Equal(t, api.Payload{Type: "json", Value: "1"}, p)
	p, err = r.Payload("y", "red")
	require.NoError(t, err)
	require.Equal(t, "2", p.Value, "a legacy variant's")
	p, err = r.Payload("x", "blue")
	require.NoError(t, err)
	require.Zero(t, p)
	_, err = r.Payload("z", "red")
	require.ErrorContains(t, err, "different payloads")
	_, err = r.Payload("z", "blue")
	require.NoError(t, err)
	_, err = r.Payload("x", "green")
	require.ErrorIs(t, err, core.ErrUnknownVariant)
	_, err = r.Payload("w", "red")
	require.ErrorIs(t, err, core.ErrFlagNotFound)
}
