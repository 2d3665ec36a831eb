package percent_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/internal/golden"
	"github.com/rolloutkit/rolloutkit/providers/percent"
)

// TestNobodyIsEverRebucketed holds decisions against a file that was written
// once, so that no release moves units that no store keeps. To rewrite it is right
// for new rows only.
func TestNobodyIsEverRebucketed(t *testing.T) {
	type row struct {
		Rollout, Experiment string
		Variants, Got       []string // Got: of each key
	}
	var got struct {
		Keys []string
		Rows []row
	}
	for i := range 50 {
		got.Keys = append(got.Keys, fmt.Sprintf("%064x", 7919*i*i*i))
	}
	third := weights{"control": 25, "red": 30, "blue": 45}
	many := weights{"control": 40, "red": 10, "blue": 20, "green": 0.05, "white": 29.95}
	for _, r := range []core.Rollout{
		percent.New(half), percent.New(third), percent.New(many), percent.Include(20, third), percent.Include(80, many),
		percent.Behind(percent.New(third), third), percent.Behind(percent.Behind(percent.Include(90, half), third, percent.UnselectedOutside), many),
	} {
		for _, experiment := range []string{"pill_color", "shop_pill_color"} {
			for _, variants := range [][]string{{"control", "red", "blue"}, {"control", "white", "red", "green", "blue"}} {
				row := row{Rollout: r.(core.Describer).Describe().Detail, Experiment: experiment, Variants: variants}
				if r.(core.Validator).Validate(experiment, variants) != nil {
					continue // it weights variants that these are not
				}
				for _, key := range got.Keys {
					row.Got = append(row.Got, resolve(t, r, core.Request{Experiment: experiment, Key: key, Variants: variants}))
				}
				got.Rows = append(got.Rows, row)
			}
		}
	}
	text, err := json.Marshal(got)
	require.NoError(t, err)
	text = bytes.ReplaceAll(text, []byte(`{"Rollout"`), []byte("\n"+`{"Rollout"`)) // a row a line
	golden.Compare(t, "buckets.json", string(text)+"\n")
}
