package unleash

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
)

func TestNames(t *testing.T) {
	r := offline(t, `[{"name":"exp.shop_a","enabled":true},{"name":"other","enabled":false},{"name":"shop_a"}]`,
		&Options{Prefix: "exp.", Toggles: map[string]string{"shop_b": "other"}})
	d, err := ask(r, "shop_a", "alice")
	require.NoError(t, err)
	require.Equal(t, core.On, d.State)
	d, err = ask(r, "shop_b", "alice")
	require.NoError(t, err)
	require.Equal(t, core.Off, d.State)
	_, err = ask(r, "shop_c", "alice")
	require.ErrorContains(t, err, `toggle "exp.shop_c"`)
}

// TestOptionsAreCopied: what the caller does with them later changes nothing.
func TestOptionsAreCopied(t *testing.T) {
	names := map[string]string{"x": "x"}
	r := offline(t, "["+enabled()+"]", &Options{Toggles: names})
	names["x"] = "gone"
	_, err := ask(r, "x", "alice")
	require.NoError(t, err)
}

func TestNilClient(t *testing.T) {
	r := New(nil, nil)
	_, err := ask(r, "x", "alice")
	require.ErrorContains(t, err, "client is nil")
	_, err = r.Payload("x", "red")
	require.ErrorContains(t, err, "client is nil")
	require.ErrorContains(t, r.Validate("x", []string{"control", "red"}), "client is nil")
}

func TestImpossibleOptions(t *testing.T) {
	client := newClient(t, nowhere)
	for text, opts := range map[string]*Options{
		"negative":          {Refresh: -1},
		"UnselectedOutside": {AllowRandom: true, UnselectedOutside: true},
	} {
		r := New(client, opts)
		require.ErrorContains(t, r.Validate("x", []string{"control", "red"}), text)
		_, err := ask(r, "x", "alice")
		require.ErrorContains(t, err, text)
	}
}

func TestValidate(t *testing.T) {
	client := newClient(t, nowhere)
	r := New(client, &Options{Toggles: map[string]string{"shop/a": "shop.a", "x": ""}})
	require.NoError(t, r.Validate("shop_a", []string{"control", "red"}), "that there is no toggle yet is no fault")
	require.NoError(t, r.Validate("shop/a", []string{"control", "red"}))
	require.ErrorContains(t, r.Validate("shop/b", []string{"control", "red"}), `no toggle can be called "shop/b"`)
	require.ErrorContains(t, r.Validate("x", []string{"control", "red"}), "names no toggle")
	require.ErrorContains(t, r.Validate("y", []string{"control", "disabled"}), `no variant can be called "disabled"`)
	require.Error(t, New(client, &Options{Prefix: strings.Repeat("p", 100)}).Validate("x", nil))
	for name, legal := range map[string]bool{"a.B~c-d_9": true, "": false, ".": false, "..": false, "...": true, "a b": false, "ä": false} {
		require.Equal(t, legal, legalName(name), name)
	}
}

func TestDescribe(t *testing.T) {
	d := New(nil, nil).Describe()
	require.Equal(t, "unleash", d.Name)
	require.Equal(t, "toggles <experiment>", d.Detail)
	require.Equal(t, core.Capabilities(), d.Capabilities)
	require.False(t, d.NeedsStore)

	d = New(nil, &Options{Prefix: "exp.", Toggles: map[string]string{"b": "y", "a": "x"}, Boolean: true, AllowRandom: true}).Describe()
	require.Equal(t, "toggles exp.<experiment>, a by x, b by y, random allowed, variants ignored", d.Detail)
	require.NotContains(t, d.Capabilities, core.NamesVariants)
	require.NotContains(t, d.Capabilities, core.Deterministic)
	require.True(t, d.NeedsStore)
}
