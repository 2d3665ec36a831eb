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
	attrs, from := c.resolved()
	key := attrs
	if c.StickyTo != nil {
		key = c.StickyTo
	}
	unit := core.NewUnit(key...)
	for _, older := range from {
		unit = unit.MigratedFrom(core.NewUnit(older...))
	}
	for _, with := range c.MigratedWith {
		unit = unit.MigratedFrom(core.NewUnit(merged(attrs, with)...))
	}
	return unit
}

// Keys returns the keys that the gem's signature has: the context's own, and
// those of its migrations. Unlike a unit it keeps doubles, and leaves out
// nobody.
func (c Context) Keys(s Scheme, secret []byte, experiment string) (key string, migrations []string, err error) {
	attrs, from := c.resolved()
	own := attrs
	if c.StickyTo != nil {
		own = c.StickyTo
	}
	if key, err = s.Key(secret, experiment, own); err != nil {
		return "", nil, err
	}
	for _, with := range c.MigratedWith {
		from = append(from, merged(attrs, with))
	}
	for _, older := range from {
		k, err := s.Key(secret, experiment, older)
		if err != nil {
			return "", nil, err
		}
		migrations = append(migrations, k)
	}
	return key, migrations, nil
}

// resolved returns the attributes with the cookie in its place, and the older
// contexts with that of the cookie.
func (c Context) resolved() (attrs []core.Attr, from [][]core.Attr) {
	attrs = slices.DeleteFunc(slices.Clone(c.Attrs), func(a core.Attr) bool { return slices.Contains(reserved, a.Name) })
	from = slices.Clone(c.MigratedFrom)
	i := slices.IndexFunc(attrs, func(a core.Attr) bool { return a.Name == actorName })
	cookie := core.String(actorName, c.Cookie)
	switch {
	case c.Cookie == "":
	case i < 0:
		attrs = append(attrs, cookie)
	case Text(attrs[i]) == "":
		attrs[i] = cookie
	default:
		from = append(from, []core.Attr{cookie})
	}
	return attrs, from
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
