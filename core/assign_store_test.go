package core_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
)

// Somebody else stores an entry between what a trial reads and what it claims.
func TestFirstWriterWins(t *testing.T) {
	blue := entry("blue", core.SourceForced)
	for _, c := range []struct {
		name          string
		before, first core.Entry
		change        change
		served        string
		after         core.Entry
	}{
		{"another variant", core.Entry{}, blue, nil, "blue stored/forced", blue},
		{"the same", core.Entry{}, resolved, nil, "red resolved/resolved", resolved},
		{"an exclusion", core.Entry{}, exclusion, nil, "control excluded/excluded untracked", exclusion},
		{"an unknown variant", core.Entry{}, unknown, nil, "control error/- untracked", unknown},
		{"a retired variant, which is replaced", core.Entry{}, unknown, withRetired, "red resolved/resolved", resolved},
		{"an open control, which is moved", core.Entry{}, open, nil, "red resolved/resolved was control", ramped},
		{"another variant than that of a ramp", open, blue, nil, "blue stored/forced", blue},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, u := newLab(t, c.change), &user{ID: "1"}
			if c.before != (core.Entry{}) {
				l.seed(u, c.before)
			}
			l.store.beforeClaim = func() { l.seed(u, c.first) }
			a := l.exp.Assign(ctx, u)
			serves(t, a, c.served)
			require.Equal(t, c.after, l.stored(a))
		})
	}
}

func TestClaimGivesUpInTheEnd(t *testing.T) {
	l := newLab(t, withRetired)
	l.store.lostTo = &unknown
	serves(t, l.exp.Assign(ctx, &user{ID: "1"}), "red resolved/resolved")
}

func TestARampIsTriedOnce(t *testing.T) {
	l, u := newLab(t, nil), &user{ID: "1"}
	l.seed(u, open)
	l.store.lostTo = &core.Entry{Variant: core.Control, Open: open.Open}
	serves(t, l.exp.Assign(ctx, u), "control stored/-")
	require.Equal(t, 1, l.store.writes)
}

func TestWithoutAStore(t *testing.T) {
	tryAll(t, []situation{
		{name: "resolved", change: noStore, flag: red, served: "red resolved/resolved"},
		{name: "only assigned", change: noStore, flag: red, trial: onlyAssigned, served: "control unassigned/- untracked"},
		{name: "manual", change: noStore, flag: red, trial: assignTo("blue"), served: "blue manual/manual"},
	})
	l := newLab(t, noStore)
	require.NoError(t, l.exp.Forget(ctx, &user{ID: "1"}))
	require.NoError(t, l.exp.Clear(ctx))
}

func noStore(c *core.Config, _ *definition) { c.Store = nil }

// variantsOnly makes the store one that keeps variant names only.
func variantsOnly(c *core.Config, _ *definition) { c.Store.(*spy).variantOnly = true }

func TestAStoreOfVariants(t *testing.T) {
	of := func(variant string) core.Entry { return core.Entry{Variant: variant} }
	tryAll(t, []situation{
		{name: "keeps variants", change: variantsOnly, flag: red, served: "red resolved/resolved", after: of("red")},
		{name: "and does not know how they began", change: variantsOnly, stored: of("red"), flag: red, served: "red stored/-"},
		{name: "keeps no open controls", change: variantsOnly, flag: control, served: "control resolved/resolved"},
		{name: "keeps manual controls", change: variantsOnly, flag: red, trial: assignTo("control"),
			served: "control manual/manual", after: of("control")},
		{name: "keeps no exclusions", change: all(variantsOnly, stickyExclusions), flag: red, who: user{Subscribed: true},
			served: "control excluded/excluded by subscribed untracked"},
	})
	t.Run("is not written again for the same variant", func(t *testing.T) {
		l, _ := situation{change: variantsOnly, stored: of("blue"), flag: red, trial: assignTo("blue"), served: "blue manual/manual"}.try(t)
		require.Zero(t, l.store.writes)
	})
	t.Run("moves what it finds under an older key", func(t *testing.T) {
		l := newLab(t, variantsOnly)
		before := l.assignUnit(core.Actor("before"))
		l.flag.set(core.Conditional, "blue")
		after := l.assignUnit(core.Actor("after").MigratedFrom(core.Actor("before")))
		serves(t, after, "red stored/-")
		require.Equal(t, of("red"), l.stored(after))
		require.Zero(t, l.stored(before), "as the other system does it")
	})
}
