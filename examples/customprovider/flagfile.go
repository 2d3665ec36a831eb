package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync/atomic"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/providers/percent"
)

var _ core.Rollout = (*FlagFile)(nil)

// A FlagFile is a rollout over a JSON file of flags by name. The zero FlagFile
// is not ready until Load succeeds. It is safe for many goroutines.
type FlagFile struct {
	flags atomic.Pointer[map[string]toggle]
}

// A toggle is one flag of the file.
type toggle struct {
	Enabled bool              `json:"enabled"`
	Weights percent.Weights   `json:"weights"` // in percent, control included
	Targets map[string]string `json:"targets"` // anonymous key -> variant
	split   core.Rollout
}

// Load reads the flags from path. After an error the flags from before stay.
func (f *FlagFile) Load(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var flags map[string]toggle
	if err := json.Unmarshal(text, &flags); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	for name, t := range flags {
		t.split = percent.New(t.Weights)
		flags[name] = t
	}
	f.flags.Store(&flags)
	return nil
}

// region resolve

// Resolve answers from memory.
func (f *FlagFile) Resolve(ctx context.Context, r core.Request) (core.Decision, error) {
	flags := f.flags.Load()
	if flags == nil {
		return core.Decision{}, fmt.Errorf("flag file: %w", core.ErrNotReady)
	}
	t, ok := (*flags)[r.Experiment]
	switch {
	case !ok:
		return core.Decision{}, fmt.Errorf("flag file: %w", core.ErrFlagNotFound)
	case !t.Enabled:
		return core.Decision{State: core.Off, Reason: "disabled"}, nil
	case t.Targets[r.Key] != "":
		return core.Decision{State: core.Conditional, Variant: t.Targets[r.Key], Reason: "target"}, nil
	}
	d, err := t.split.Resolve(ctx, r)
	if len(t.Targets) > 0 {
		d.State = core.Conditional // some units fare otherwise than the rest
	}
	return d, err
}

// endregion
