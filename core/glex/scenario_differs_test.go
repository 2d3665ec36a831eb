package glex_test

// scenarioDiffers are the scenarios that the core plays otherwise, each with
// the reason. MIGRATING.md has the reasons in a table.
var scenarioDiffers = map[string]string{
	"S023": off,
	"S031": manualWins, "S032": manualWins,
	"S042": rulesSee, "S054": rulesSee,
	"S066": resolvesOnce,
	"S067": unknownVariant, "S072": unknownVariant, "S119": unknownVariant,
	"S081": "an event has the fields that Track gives it; what all events share is the Tracker's to add",
	"S095": aroundRuns, "S097": aroundRuns,
	"S102": "the assignment event leaves before the behaviour runs, so that the outer experiment's comes first and a behaviour that panics does not lose it",
	"S103": "the behaviour of an excluded unit is entered like any other, so an experiment inside it counts as nested",
	"S106": "an experiment has one definition, and inside its own behaviour it is not nested in another",
	"S116": controlAlways, "S117": controlAlways,
	"S108": inline, "S128": inline,
	"S111": "a draw at random needs a store to be sticky, and is refused without one; so is a draw among nothing but control",
	"S121": values, "S122": values, "S123": values,
	"S125": "a definition without a name is refused by Define, where the program starts",
	"S137": "a distribution that does not fit is refused by Define, where the program starts",
	"S142": "round robin without a store is refused by Define, where the program starts",
	"S143": "the store in memory counts, so that round robin works",
	"S147": dnt, "S149": dnt, "S150": dnt, "S151": dnt, "S154": dnt, "S155": dnt, "S156": dnt, "S158": dnt,
	"S164": "the store is asked before the rules are, so an older entry follows its unit even while that is excluded",
	"S175": links, "S176": links,
}

const (
	off            = "off is off: manual assignments are ignored, so that switching an experiment off ends it for everybody"
	manualWins     = "a manual assignment is tracked, for it wins over exclusions; the gem serves the variant and hides the unit from the analysis"
	rulesSee       = "a rule sees the ctx and the subject, never what is assigned, so that its answer does not depend on who asked before"
	resolvesOnce   = "a trial resolves once; AssignTo afterwards changes nothing, so that run, events and client never disagree"
	unknownVariant = "a variant that the experiment does not have is never stored and never reaches the caller: control, untracked, with ErrUnknownVariant"
	aroundRuns     = "an Around can't keep the behaviour from running: the caller always gets an experience"
	controlAlways  = "every experiment has a control behaviour; a Ruby class can lack one, and fails when it is needed"
	inline         = "core.Inline takes a whole definition; one that is forbidden or lacks behaviours serves control and says so, where the gem raises"
	values         = "a behaviour is a value or a function, checked by the compiler"
	dnt            = "DNT and Sec-GPC are core/web's: a visitor without a known cookie is nobody, and a known one is assigned untracked"
	links          = "redirect links are core/web's, name the full name once, and redirect nowhere unless allowed"
)
