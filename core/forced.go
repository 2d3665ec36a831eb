package core

import "context"

type forcedKey struct{}

type forced struct {
	experiment, variant string
	older               *forced
}

// WithForced returns a ctx in which the experiment of that full name gives
// variant, for tests and demonstrations of a running app: through exclusions
// and over what is stored, and kept for good. It works on clients that have
// [Config.AllowForced], while the experiment is on, and for variants that it
// has; else it is ignored. A later one for the same experiment wins.
func WithForced(ctx context.Context, experiment, variant string) context.Context {
	older, _ := ctx.Value(forcedKey{}).(*forced)
	return context.WithValue(ctx, forcedKey{}, &forced{experiment, variant, older})
}

// forcedIn returns the variant forced on an experiment, "" for none.
func forcedIn(ctx context.Context, experiment string) string {
	f, _ := ctx.Value(forcedKey{}).(*forced)
	for ; f != nil; f = f.older {
		if f.experiment == experiment {
			return f.variant
		}
	}
	return ""
}
