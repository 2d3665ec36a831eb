package glex_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/glex"
)

// The files in testdata were recorded from the gem 0.7.1. Each says in its
// notes how. A recorded context is a list of pairs, each of a name and a value,
// and in some files also the value's class and the text that the gem hashed.

const recordedSecret = "s3cret"

func readRecorded(t *testing.T, name string, into any) {
	t.Helper()
	raw, err := os.ReadFile("testdata/" + name)
	require.NoError(t, err)
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	require.NoError(t, d.Decode(into))
}

// recordedContext returns the context of a call and of the later ones that add
// to it. The error is what package glex has against one of the values.
func recordedContext(t *testing.T, calls ...[][]any) (c glex.Context, err error) {
	t.Helper()
	for _, pairs := range calls {
		var plain [][]any
		for _, pair := range pairs {
			name := nameOf(pair)
			if name != "migrated_with" && name != "migrated_from" && name != "sticky_to" {
				plain = append(plain, pair)
				continue
			}
			nested, isHash := hashOf(pair[1])
			attrs, fault := recordedAttrs(t, nested)
			err = errors.Join(err, fault)
			switch {
			case isHash && name == "migrated_with":
				c.MigratedWith = append(c.MigratedWith, attrs)
			case isHash && name == "migrated_from":
				c.MigratedFrom = append(c.MigratedFrom, attrs)
			case isHash:
				c.StickyTo = attrs
			case name == "sticky_to":
				c.StickyTo = glex.Verbatim(pair[1].(string))
			} // the gem ignores migrations that are no Hash
		}
		attrs, fault := recordedAttrs(t, plain)
		err = errors.Join(err, fault)
		c.Attrs = glex.Merged(c.Attrs, attrs)
	}
	return c, err
}

func recordedAttrs(t *testing.T, pairs [][]any) (attrs []core.Attr, err error) {
	t.Helper()
	attrs = []core.Attr{}
	for _, pair := range pairs {
		a, fault := recordedAttr(t, pair)
		err = errors.Join(err, fault)
		attrs = append(attrs, a)
	}
	return attrs, err
}

// hashOf returns the pairs of a nested Hash.
func hashOf(value any) (pairs [][]any, ok bool) {
	m, _ := value.(map[string]any)
	list, ok := m["hash"].([]any)
	return pairsOf(list), ok
}

func pairsOf(list []any) (pairs [][]any) {
	for _, p := range list {
		pairs = append(pairs, p.([]any))
	}
	return pairs
}

// nameOf returns the name of a pair. {"string": name} is a String where Ruby
// would have a Symbol.
func nameOf(pair []any) string {
	if m, ok := pair[0].(map[string]any); ok {
		return m["string"].(string)
	}
	return pair[0].(string)
}

// recordedAttr returns the attribute of a pair: by [glex.Any] if JSON has its
// class, otherwise by Ruby's text.
func recordedAttr(t *testing.T, pair []any) (core.Attr, error) {
	t.Helper()
	value := pair[1]
	if len(pair) == 4 {
		switch class := pair[2].(string); class {
		case "NilClass", "TrueClass", "FalseClass", "Integer", "Array", "Hash", "ActiveSupport::HashWithIndifferentAccess":
		case "Float":
			f, err := strconv.ParseFloat(strings.Replace(fmt.Sprint(value), "Infinity", "Inf", 1), 64)
			require.NoError(t, err)
			value = f
		case "String":
			value = textOf(t, value)
		default:
			value = textOf(t, pair[3])
		}
	}
	if n, ok := value.(json.Number); ok {
		i, isWhole := new(big.Int).SetString(n.String(), 10)
		require.True(t, isWhole, n)
		value = i
		if i.IsInt64() {
			value = i.Int64()
		}
	}
	return glex.Any(nameOf(pair), value)
}

// textOf returns a recorded text, which is hex where it is no UTF-8.
func textOf(t *testing.T, value any) string {
	t.Helper()
	if m, ok := value.(map[string]any); ok {
		raw, err := hex.DecodeString(m["hex"].(string))
		require.NoError(t, err)
		return string(raw)
	}
	return value.(string)
}
