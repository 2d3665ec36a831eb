package unleash_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/Unleash/unleash-client-go/v4/api"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/providers/unleash"
)

func TestToggleNames(t *testing.T) {
	names := map[string]string{"shop_b": "other"}
	s := offline(t, `{"name":"exp.shop_a","enabled":true},{"name":"other","enabled":false},{"name":"shop_a"}`,
		unleash.Options{Prefix: "exp.", Toggles: names})
	names["shop_b"] = "gone" // what the caller does with them later changes nothing
	require.Equal(t, "on *", gets(t, s, "shop_a", "alice"))
	require.Equal(t, "off", gets(t, s, "shop_b", "alice"))
	_, err := ask(t, s, "shop_c", "alice")
	require.ErrorContains(t, err, `toggle "exp.shop_c"`)
}

func TestImpossibleArguments(t *testing.T) {
	client, _ := newClient(t, nowhere)
	for want, r := range map[string]*unleash.Rollout{
		"client is nil":     unleash.New(nil, nil),
		"negative":          unleash.New(client, &unleash.Options{Refresh: -1}),
		"UnselectedOutside": unleash.New(client, &unleash.Options{AllowRandom: true, UnselectedOutside: true}),
	} {
		t.Run(want, func(t *testing.T) {
			require.ErrorContains(t, r.Validate("x", []string{"control", "red"}), want)
			require.ErrorContains(t, failure(t, r), want)
			_, err := r.Payload("x", "red")
			require.ErrorContains(t, err, want)
		})
	}
}

func TestValidate(t *testing.T) {
	client, _ := newClient(t, nowhere)
	r := unleash.New(client, &unleash.Options{Toggles: map[string]string{"shop/a": "shop.a", "x": ""}})
	red := []string{"control", "red"}
	require.NoError(t, r.Validate("shop_a", red), "that there is no toggle yet is no fault")
	require.NoError(t, r.Validate("shop/a", red))
	require.ErrorContains(t, r.Validate("shop/b", red), `no toggle can be called "shop/b"`)
	require.ErrorContains(t, r.Validate("x", red), "names no toggle")
	require.ErrorContains(t, r.Validate("y", []string{"control", "disabled"}), `no variant can be called "disabled"`)
	require.Error(t, unleash.New(client, &unleash.Options{Prefix: strings.Repeat("p", 100)}).Validate("x", red))
	for name, legal := range legalNames {
		require.Equal(t, legal, r.Validate(name, red) == nil, name)
	}
}

// legalNames says of names whether toggles can have them, as the real server
// does too.
var legalNames = map[string]bool{"a.B~c-d_9": true, ".": false, "..": false, "...": true, "a b": false, "a/b": false, "ä": false}

func TestDescribe(t *testing.T) {
	d := unleash.New(nil, nil).Describe()
	require.Equal(t, core.Description{Name: "unleash", Detail: "toggles <experiment>", Capabilities: core.Capabilities()}, d)

	d = unleash.New(nil, &unleash.Options{Prefix: "exp.", Toggles: map[string]string{"b": "y", "a": "x"}, Boolean: true, AllowRandom: true}).Describe()
	require.Equal(t, "toggles exp.<experiment>, a by x, b by y, random allowed, variants ignored", d.Detail)
	require.NotContains(t, d.Capabilities, core.NamesVariants)
	require.NotContains(t, d.Capabilities, core.Deterministic)
	require.True(t, d.NeedsStore)
}

func TestPayload(t *testing.T) {
	payload := func(value string) string {
		return `"variants":[{"name":"red","weight":1,"payload":{"type":"json","value":"` + value + `"}},{"name":"blue","weight":1}]`
	}
	s := offline(t, enabled(share50(payload("1")))+`,{"name":"y","enabled":true,`+payload("2")+`},`+
		toggleNamed("z", share50(payload("1")), share100(payload("2"))), unleash.Options{})
	for _, c := range []struct {
		about, toggle, variant string
		want                   api.Payload
		is                     error
		err                    string
	}{
		{about: "the strategy's", toggle: "x", variant: "red", want: api.Payload{Type: "json", Value: "1"}},
		{about: "a legacy variant's", toggle: "y", variant: "red", want: api.Payload{Type: "json", Value: "2"}},
		{about: "none", toggle: "x", variant: "blue"},
		{about: "none in several strategies", toggle: "z", variant: "blue"},
		{about: "different ones", toggle: "z", variant: "red", err: "different payloads"},
		{about: "of a variant that is absent", toggle: "x", variant: "green", is: core.ErrUnknownVariant},
		{about: "of a toggle that is absent", toggle: "w", variant: "red", is: core.ErrFlagNotFound},
	} {
		t.Run(c.about, func(t *testing.T) {
			p, err := s.Payload(c.toggle, c.variant)
			if c.is != nil || c.err != "" {
				require.ErrorContains(t, err, c.err)
				require.True(t, c.is == nil || errors.Is(err, c.is))
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, p)
		})
	}
}
