package core

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Bounds of a unit. A larger one is a unit fault: it gets control, untracked.
const (
	maxAttrs     = 100         // attributes and traits together
	maxUnitBytes = 64 << 10    // names and values together
	maxKeys      = 8           // identities times secrets
	actorName    = "actor"     // the attribute that may be unknown yet
	minRawKey    = 128 / 4     // hex digits of UnitFromKey: 128 bits ...
	maxRawKey    = 2 * 256 / 4 // ... to 512 bits
)

// The kinds of attributes. They are part of what is hashed.
const (
	kindString = iota
	kindInt
	kindBool
	kindFloat
	kindUint // a whole number above the largest int64
)

// An Attr is a named value: one part of what makes a unit, or a trait of it.
// Make it with [String], [Int], [Bool] or [Float]. The zero Attr has an empty
// name, which is a unit fault.
type Attr struct {
	Name string

	kind uint8
	str  string
	num  uint64 // int64, bool or math.Float64bits
}

// String returns an attribute with a text value.
func String[T ~string](name string, v T) Attr { return Attr{Name: name, str: string(v)} }

// Int returns an attribute with a whole number of any size. The same number is
// the same attribute, whatever its type.
func Int[T ~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~uintptr](name string, v T) Attr {
	a := Attr{Name: name, kind: kindInt, num: uint64(v)}
	if v > 0 && a.num > math.MaxInt64 {
		a.kind = kindUint
	}
	return a
}

// Bool returns an attribute that is true or false.
func Bool(name string, v bool) Attr {
	a := Attr{Name: name, kind: kindBool}
	if v {
		a.num = 1
	}
	return a
}

// Float returns an attribute with a floating-point number. All NaNs are one
// value, and so are 0 and -0.
func Float(name string, v float64) Attr {
	if v != v {
		v = math.NaN()
	}
	return Attr{Name: name, kind: kindFloat, num: math.Float64bits(v + 0)}
}

// Value returns the value: a string, int64, bool, float64, or uint64 for what no
// int64 holds.
func (a Attr) Value() any {
	switch a.kind {
	case kindInt:
		return int64(a.num)
	case kindBool:
		return a.num != 0
	case kindFloat:
		return math.Float64frombits(a.num)
	case kindUint:
		return a.num
	}
	return a.str
}

// Text returns the value as text, formatted as strconv does it.
func (a Attr) Text() string {
	switch a.kind {
	case kindInt:
		return strconv.FormatInt(int64(a.num), 10)
	case kindBool:
		return strconv.FormatBool(a.num != 0)
	case kindFloat:
		return strconv.FormatFloat(math.Float64frombits(a.num), 'g', -1, 64)
	case kindUint:
		return strconv.FormatUint(a.num, 10)
	}
	return a.str
}

// unknown reports whether a is an actor that nobody knows yet: "" or 0.
func (a Attr) unknown() bool {
	return a.Name == actorName && a.str == "" && a.num == 0 && a.kind != kindBool
}

// A Unit is what an assignment sticks to: a user, a project, a user in a
// project. It is a value: its methods return changed copies. Attributes make
// the key and never leave the process; only traits are shared with the flag
// system.
//
// The attribute called "actor" is the one that may be unknown: a unit whose
// actor is "" or 0 is an anonymous visitor, who needs a request scope with a
// cookie and gets control, untracked, where there is none. The zero Unit, like
// NewUnit(), has no attributes: one unit for everybody.
type Unit struct {
	n      int      // attributes in all
	inline [2]Attr  // the first ones, so that most units need no allocation
	ext    *unitExt // what few units have; never changed after it was set
}

type unitExt struct {
	more   []Attr      // the attributes that follow the inline ones
	sticky []string    // names the key covers; nil: all
	traits []Attr      // shared with the flag system
	older  []migration // in the order given
	raw    string      // the key itself, from UnitFromKey
	err    error       // the first fault
}

// A migration is an older identity of a unit: attributes that replace some of
// the current ones, or a unit that replaces all.
type migration struct {
	with []Attr
	from *Unit
}

// Actor returns the unit of one known person, machine or account. The zero
// value of ID, "", is the anonymous visitor. For numeric ids and for an actor
// beside other attributes there is NewUnit(core.Int("actor", id), ...).
func Actor[ID ~string](id ID) Unit {
	return Unit{n: 1, inline: [2]Attr{{Name: actorName, str: string(id)}}}
}

// NewUnit returns a unit of the given attributes. Their order does not matter
// to the key. A name given twice, an empty name, more than 100 attributes or
// more than 64 KiB are unit faults: the unit gets control, untracked, and
// [Assignment.Err] says why.
func NewUnit(attrs ...Attr) Unit {
	u := Unit{n: len(attrs)}
	if k := copy(u.inline[:], attrs); k < len(attrs) {
		u.ext = &unitExt{more: slices.Clone(attrs[k:])}
	}
	return u
}

// UnitFromKey returns the unit that is known by its key alone: one of 32 to 128
// hex digits, such as [Assignment.Key]. The key is used as it is, in lower
// case, for every experiment. Anything else is a unit fault.
func UnitFromKey(key string) Unit {
	raw, err := rawKey(key)
	return Unit{ext: &unitExt{raw: raw, err: err}}
}

func rawKey(key string) (string, error) {
	if len(key) < minRawKey || len(key) > maxRawKey {
		return "", fmt.Errorf("a unit's key has %d to %d hex digits, not %d", minRawKey, maxRawKey, len(key))
	}
	for i := range len(key) {
		if !isHex(key[i]) {
			return "", errors.New("a unit's key has hex digits only")
		}
	}
	return strings.ToLower(key), nil
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// StickyTo returns u with a key that covers the named attributes only. The
// others still reach rules through the subject, but a change of theirs changes
// no key. Only an actor that is named can be anonymous. A name that u does not
// have, and no name at all, are unit faults.
func (u Unit) StickyTo(names ...string) Unit {
	return u.extended(func(x *unitExt) { x.sticky = append(make([]string, 0, len(names)), names...) })
}

// Traits returns u with attributes to share with the flag system, for its
// targeting rules. They are no part of the key.
func (u Unit) Traits(attrs ...Attr) Unit {
	return u.extended(func(x *unitExt) { x.traits = append(slices.Clone(x.traits), attrs...) })
}

// MigratedWith returns u with an older identity: the same attributes with attrs
// in place of those of the same name, or added. An assignment made under the
// older key is kept.
func (u Unit) MigratedWith(attrs ...Attr) Unit {
	return u.extended(func(x *unitExt) {
		x.older = append(slices.Clone(x.older), migration{with: slices.Clone(attrs)})
	})
}

// MigratedFrom returns u with an older identity that is a whole unit, followed
// by the older identities of that. One that is anonymous is skipped, since it
// is everybody's.
func (u Unit) MigratedFrom(older Unit) Unit {
	return u.extended(func(x *unitExt) { x.older = append(slices.Clone(x.older), migration{from: &older}) })
}

// extended returns u with a changed copy of its ext, so that units stay values.
func (u Unit) extended(change func(*unitExt)) Unit {
	var x unitExt
	if u.ext != nil {
		x = *u.ext
	}
	change(&x)
	u.ext = &x
	return u
}

// attr returns the i-th attribute in the order given.
func (u *Unit) attr(i int) *Attr {
	if i < len(u.inline) {
		return &u.inline[i]
	}
	return &u.ext.more[i-len(u.inline)]
}

// covers reports whether the key covers the attribute.
func (u *Unit) covers(name string) bool {
	return u.ext == nil || u.ext.sticky == nil || slices.Contains(u.ext.sticky, name)
}

// anonymous reports whether u is a visitor not yet known.
func (u *Unit) anonymous() bool {
	i := u.actor()
	return i >= 0 && u.attr(i).unknown()
}

// actor returns the place of the actor that the key covers, -1 if there is none.
func (u *Unit) actor() int {
	for i := range u.n {
		if name := u.attr(i).Name; name == actorName && u.covers(name) {
			return i
		}
	}
	return -1
}

// withActor returns u with id for the actor, which is its i-th attribute.
func (u *Unit) withActor(i int, id string) Unit {
	v := *u
	if i >= len(v.inline) {
		v = u.extended(func(x *unitExt) { x.more = slices.Clone(x.more) })
	}
	*v.attr(i) = String(actorName, id)
	return v
}

// traits returns what u shares.
func (u *Unit) traits() []Attr {
	if u.ext == nil {
		return nil
	}
	return u.ext.traits
}

// fault returns what makes u unusable, nil for nothing.
func (u *Unit) fault() error {
	var sticky []string
	if u.ext != nil {
		if u.ext.err != nil {
			return u.ext.err
		}
		sticky = u.ext.sticky
		if sticky != nil && len(sticky) == 0 {
			return errors.New("StickyTo names no attribute of the unit")
		}
	}
	traits := u.traits()
	if n := u.n + len(traits); n > maxAttrs {
		return fmt.Errorf("the unit has %d attributes and traits; at most %d are allowed", n, maxAttrs)
	}
	size := 0
	for i := range u.n {
		a := u.attr(i)
		if a.Name == "" {
			return errors.New("an attribute of the unit has no name")
		}
		for j := range i {
			if u.attr(j).Name == a.Name {
				return fmt.Errorf("the unit has the attribute %q twice", a.Name)
			}
		}
		size += len(a.Name) + len(a.str)
	}
	for i, a := range traits {
		if a.Name == "" {
			return errors.New("a trait of the unit has no name")
		}
		for _, b := range traits[:i] {
			if a.Name == b.Name {
				return fmt.Errorf("the unit has the trait %q twice", a.Name)
			}
		}
		size += len(a.Name) + len(a.str)
	}
	if size > maxUnitBytes {
		return fmt.Errorf("the unit's names and values have %d bytes; at most %d are allowed", size, maxUnitBytes)
	}
	for _, name := range sticky {
		if !u.has(name) {
			return fmt.Errorf("StickyTo names %q, which the unit does not have", name)
		}
	}
	return nil
}

func (u *Unit) has(name string) bool {
	for i := range u.n {
		if u.attr(i).Name == name {
			return true
		}
	}
	return false
}

// covered returns the attributes that make the key, in the order given.
func (u *Unit) covered() []Attr {
	attrs := make([]Attr, 0, u.n)
	for i := range u.n {
		if a := u.attr(i); u.covers(a.Name) {
			attrs = append(attrs, *a)
		}
	}
	return attrs
}

// identities returns u and its older identities, newest first. Anonymous older
// ones are left out. It stops soon after maxKeys; the caller counts.
func (u *Unit) identities() []Unit {
	all := []Unit{*u}
	if u.ext == nil {
		return all
	}
	for _, m := range u.ext.older {
		if len(all) > maxKeys {
			break
		}
		older := u.before(m)
		if older.anonymous() {
			continue
		}
		all = append(all, older.identities()...)
	}
	return all
}

// before returns the identity that u had before the migration m.
func (u *Unit) before(m migration) Unit {
	if m.from != nil {
		return *m.from
	}
	attrs := make([]Attr, 0, u.n+len(m.with))
	for i := range u.n {
		attrs = append(attrs, *u.attr(i))
	}
	for _, a := range m.with {
		i := slices.IndexFunc(attrs, func(b Attr) bool { return a.Name == b.Name })
		if i < 0 {
			attrs = append(attrs, a)
		} else {
			attrs[i] = a
		}
	}
	older := NewUnit(attrs...)
	if u.ext.sticky != nil {
		older = older.StickyTo(u.ext.sticky...)
	}
	return older
}
