package launchdarkly

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/launchdarkly/go-sdk-common/v3/ldattr"
	"github.com/launchdarkly/go-sdk-common/v3/ldcontext"
	"github.com/launchdarkly/go-sdk-common/v3/ldvalue"

	"github.com/rolloutkit/rolloutkit/core"
)

// maxExact is the largest whole number up to which JSON numbers, which are
// float64, are exact.
const maxExact = 1 << 53

// A contextBuilder makes LaunchDarkly contexts of units.
type contextBuilder struct {
	kind     ldcontext.Kind
	keyTrait string
	others   []otherKind
	private  map[string]bool // by trait
}

// An otherKind is a kind of context besides the unit's own.
type otherKind struct {
	kind     ldcontext.Kind
	keyTrait string
	prefix   string // of the traits that are its attributes
}

func newContextBuilder(o *Options) (contextBuilder, error) {
	cb := contextBuilder{kind: ldcontext.Kind(cmp.Or(o.Kind, DefaultKind)), keyTrait: o.KeyTrait}
	var faults []error
	check := func(kind ldcontext.Kind) {
		if err := ldcontext.NewWithKind(kind, "x").Err(); err != nil {
			faults = append(faults, fmt.Errorf("launchdarkly: the context kind %q: %w", kind, err))
		}
	}
	check(cb.kind)
	for _, name := range slices.Sorted(maps.Keys(o.Kinds)) {
		other := otherKind{kind: ldcontext.Kind(name), keyTrait: o.Kinds[name], prefix: name + "."}
		check(other.kind)
		if other.kind == cb.kind || name == "" {
			faults = append(faults, fmt.Errorf("launchdarkly: Kinds has %q, which is not another kind than %q", name, cb.kind))
		}
		if other.keyTrait == "" {
			faults = append(faults, fmt.Errorf("launchdarkly: Kinds names no trait as the key of %q", name))
		}
		cb.others = append(cb.others, other)
	}
	if len(o.Private) > 0 {
		cb.private = make(map[string]bool, len(o.Private))
		for _, name := range o.Private {
			cb.private[name] = true
		}
	}
	return cb, errors.Join(faults...)
}

// context returns the context of a unit with the given anonymous key.
func (cb *contextBuilder) context(key string, traits []core.Attr) (ldcontext.Context, error) {
	if len(traits) == 0 && cb.keyTrait == "" {
		c := ldcontext.NewWithKind(cb.kind, key)
		return c, c.Err()
	}
	var own ldcontext.Builder
	own.Kind(cb.kind)
	if cb.keyTrait == "" {
		own.Key(key)
	}
	var others []ldcontext.Builder
	var present []bool
	if len(cb.others) > 0 {
		others, present = make([]ldcontext.Builder, len(cb.others)), make([]bool, len(cb.others))
	}
	keyed := cb.keyTrait == ""
	for _, a := range traits {
		isKey := false
		if a.Name == cb.keyTrait {
			own.Key(a.Text())
			keyed, isKey = true, true
		}
		for i := range cb.others {
			if a.Name == cb.others[i].keyTrait {
				others[i].Kind(cb.others[i].kind).Key(a.Text())
				present[i], isKey = true, true
			}
		}
		if isKey {
			continue
		}
		b, name := &own, a.Name
		for i := range cb.others {
			if rest, ok := strings.CutPrefix(a.Name, cb.others[i].prefix); ok {
				b, name = &others[i], rest
				break
			}
		}
		if err := set(b, name, a, cb.private[a.Name]); err != nil {
			return ldcontext.Context{}, err
		}
	}
	if !keyed {
		return ldcontext.Context{}, fmt.Errorf("the unit has no trait %q to be the key of its context", cb.keyTrait)
	}
	c := own.Build()
	if slices.Contains(present, true) {
		multi := ldcontext.NewMultiBuilder().Add(c)
		for i := range others {
			if present[i] {
				multi.Add(others[i].Build())
			}
		}
		c = multi.Build()
	}
	return c, c.Err()
}

// A unit is whom a flag is evaluated for. Contexts are large, and each copy of
// one is felt in an evaluation, so it is rather made twice than carried along.
type unit struct {
	given   *ldcontext.Context // nil: made by builder
	builder *contextBuilder
	key     string // anonymous
	traits  []core.Attr
}

// plain reports whether the unit's context is its kind and key, and those what
// LaunchDarkly takes.
func (u *unit) plain() bool {
	return u.given == nil && len(u.traits) == 0 && u.builder.keyTrait == "" && u.key != ""
}

// kind returns the kind of the unit's own context.
func (u *unit) kind() ldcontext.Kind {
	if u.given != nil {
		return u.given.Kind()
	}
	return u.builder.kind
}

// context returns the unit's context. Only its making can fail.
func (u *unit) context() ldcontext.Context {
	if u.given != nil {
		return *u.given
	}
	c, _ := u.builder.context(u.key, u.traits)
	return c
}

// set sets one attribute.
func set(b *ldcontext.Builder, name string, a core.Attr, private bool) error {
	if name == ldattr.KeyAttr || name == ldattr.KindAttr {
		return fmt.Errorf("a trait called %q: LaunchDarkly has its own %s; Options.Kind and KeyTrait set it", a.Name, name)
	}
	value, err := valueOf(a)
	if err != nil {
		return err
	}
	if !b.TrySetValue(name, value) {
		return fmt.Errorf("a trait called %q: LaunchDarkly has an attribute of that name, which is no %s", a.Name, value.Type())
	}
	if private {
		b.PrivateRef(ldattr.NewLiteralRef(name))
	}
	return nil
}

// valueOf returns the value of a trait as LaunchDarkly has it.
func valueOf(a core.Attr) (ldvalue.Value, error) {
	switch v := a.Value().(type) {
	case string:
		return ldvalue.String(v), nil
	case bool:
		return ldvalue.Bool(v), nil
	case int64:
		if v > maxExact || v < -maxExact {
			return ldvalue.Null(), fmt.Errorf("the trait %q is a number that JSON can't hold exactly; share it as a string", a.Name)
		}
		return ldvalue.Float64(float64(v)), nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return ldvalue.Null(), fmt.Errorf("the trait %q is not a finite number", a.Name)
		}
		return ldvalue.Float64(v), nil
	}
	return ldvalue.Null(), fmt.Errorf("the trait %q has a value of type %T, which is unknown here", a.Name, a.Value())
}
