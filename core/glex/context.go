package glex

import (
	"slices"

	"github.com/rolloutkit/rolloutkit/core"
)

// A Context is what a Ruby call site gives to an experiment: the arguments of
// experiment(:pill_color, actor: user, version: 2, migrated_with: {version: 1}).
// Unit makes the core's unit of it, with the keys that the gem makes and in the
// gem's order. Call sites that neither migrate nor say sticky_to don't need it:
// there core.NewUnit of the attributes, in the order of the Ruby call, does.
type Context struct {
	// Attrs are the context in the order of the Ruby call, because order
	// matters to the key. Attributes called request, sticky_to, migrated_from
	// and migrated_with are left out, since the gem takes them out; the latter
	// three have fields here.
	Attrs []core.Attr

	// StickyTo makes the key in place of Attrs: the pairs of a Hash, or
	// [Elements], or [Verbatim]. nil is the gem's nil: Attrs make the key.
	StickyTo []core.Attr

	// MigratedFrom are older contexts as wholes, MigratedWith older parts of
	// this one: each takes the place of what Attrs has under the same name, or
	// is added at the end. Neither looks at StickyTo.
	MigratedFrom, MigratedWith [][]core.Attr

	// Cookie is the id from the visitor's cookie, see [RailsCookies], empty for
	// none. It becomes the actor of a visitor who is not signed in, whose actor
	// is [Nil]; for one who is, it is an older identity, of the cookie alone, as
	// the gem has it. To a context without an actor it is added at the end. The
	// gem looks at the cookie wherever it knows the request.
	Cookie string
}

// actorName is the attribute that a cookie stands in for.
const actorName = "actor"

// reserved are the names that the gem takes out of a context.
var reserved = []string{"request", "sticky_to", "migrated_from", "migrated_with"}

// Unit returns the unit: its key, then those of MigratedFrom, the cookie's and
// those of MigratedWith, as the gem orders them. A migration onto the unit's own
// key changes nothing, whereas the gem deletes the stored variant.
//
// An actor that is neither known nor in a cookie makes the unit an anonymous
// visitor, who has no key.
func (c Context) Unit() core.Unit {
	own, older := c.identities()
	unit := core.NewUnit(own...)
	for _, attrs := range older {
		unit = unit.MigratedFrom(core.NewUnit(attrs...))
	}
	return unit
}

// identities returns what the context's key is made of, and its older keys in
// the gem's order.
func (c Context) identities() (own []core.Attr, older [][]core.Attr) {
	own = slices.DeleteFunc(slices.Clone(c.Attrs), func(a core.Attr) bool { return slices.Contains(reserved, a.Name) })
	older = slices.Clone(c.MigratedFrom)
	i := slices.IndexFunc(own, func(a core.Attr) bool { return a.Name == actorName })
	cookie := core.String(actorName, c.Cookie)
	switch {
	case c.Cookie == "":
	case i < 0:
		own = append(own, cookie)
	case own[i].Text() == "":
		own[i] = cookie
	default:
		older = append(older, []core.Attr{cookie})
	}
	for _, with := range c.MigratedWith {
		older = append(older, merged(own, with))
	}
	if c.StickyTo != nil {
		own = c.StickyTo
	}
	return own, older
}

// merged returns attrs with those of with in the place of their namesakes, or
// added, as Ruby merges a Hash.
func merged(attrs, with []core.Attr) []core.Attr {
	attrs = slices.Clone(attrs)
	for _, a := range with {
		if i := slices.IndexFunc(attrs, func(b core.Attr) bool { return a.Name == b.Name }); i >= 0 {
			attrs[i] = a
		} else {
			attrs = append(attrs, a)
		}
	}
	return attrs
}
