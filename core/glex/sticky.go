package glex

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/rolloutkit/rolloutkit/core"
)

// A form says what a context key is made of.
type form uint8

const (
	pairs    form = iota // names, then values: the context, or sticky_to a Hash
	elements             // values alone: sticky_to an Array, or anything else
	verbatim             // nothing is hashed: sticky_to a String
)

// The names of attributes that stand for a form. No name of an ordinary
// attribute begins with a NUL.
const (
	marker       = "\x00"
	elementName  = marker + "element "
	verbatimName = marker + "verbatim"
)

// Elements returns the attributes of a unit that is sticky_to an Array in the
// gem, or to anything but a Hash and a String: its key covers the texts alone,
// without names. For sticky_to: project it is
//
//	core.NewUnit(glex.Elements("gid://shop/Project/42")...)
//
// and for sticky_to: [project, 7] it has two texts, each as Ruby's to_s writes
// it. sticky_to a Hash needs nothing special: it is core.NewUnit of the pairs in
// the order of the Hash.
//
// Only [Scheme] knows what these attributes mean. They are for units without
// others, so [core.Unit.MigratedWith] is not for them; [Context] joins both.
func Elements(texts ...string) []core.Attr {
	attrs := make([]core.Attr, len(texts))
	for i, text := range texts {
		attrs[i] = core.String(elementName+strconv.Itoa(i), text)
	}
	return attrs
}

// Verbatim returns the attribute of a unit that is sticky_to a String in the
// gem: the text is the key as it is, in every experiment, neither hashed nor
// mixed with the secret. The gem's Redis store can't keep one with a colon, and
// the core has no empty key. As for [Elements], only [Scheme] knows what it
// means.
func Verbatim(key string) []core.Attr {
	return []core.Attr{core.String(verbatimName, key)}
}

// formOf returns the form of attrs. It is an error if they mix forms.
func formOf(experiment string, attrs []core.Attr) (form, error) {
	if len(attrs) == 0 {
		return pairs, nil
	}
	first := formOfName(attrs[0].Name)
	for _, a := range attrs[1:] {
		if first == verbatim || formOfName(a.Name) != first {
			return first, fmt.Errorf("glex: experiment %s: attributes of Elements or Verbatim stand beside others; they make a unit of their own", experiment)
		}
	}
	return first, nil
}

func formOfName(name string) form {
	switch {
	case name == verbatimName:
		return verbatim
	case strings.HasPrefix(name, elementName):
		return elements
	}
	return pairs
}
