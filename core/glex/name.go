package glex

import (
	"errors"
	"regexp"
	"strings"
	"unicode"
)

// Name returns the gem's short name of an experiment, without the prefix: that
// of a class, such as "PillColorExperiment", or the name that a call site gives,
// such as "pill_color". Camel case becomes snake case, "::" becomes "/", "-"
// becomes "_", and one "experiment" goes from the end, with the "_" before it. Both
// examples give "pill_color". It is an error if the name is blank, as it is in
// the gem unless a class has a name to offer.
//
// An inflection that a Rails app defines, such as an acronym, is unknown here.
func Name(name string) (string, error) {
	if strings.TrimFunc(name, unicode.IsSpace) == "" {
		return "", errors.New("glex: the name of the experiment is missing; it is the gem's, or that of its class")
	}
	name = underscore(name)
	// The gem takes the suffix off, puts it back with the separator it had or
	// "_", and takes "_experiment" off again.
	separator := "_"
	if at := suffix.FindStringSubmatchIndex(name); at != nil {
		separator = name[at[2]:at[3]]
		name = name[:at[0]] + name[at[1]:]
	}
	name += separator + "experiment"
	if at := tail.FindStringIndex(name); at != nil {
		name = name[:at[0]] + name[at[1]:]
	}
	return name, nil
}

var (
	suffix = regexp.MustCompile(`(?m)([_/]|)experiment$`)
	tail   = regexp.MustCompile(`(?m)_experiment$`)
)

var (
	camelOrDash = regexp.MustCompile(`[A-Z-]|::`)
	acronymEnd  = regexp.MustCompile(`([A-Z\d]+)([A-Z][a-z])`)
	wordEnd     = regexp.MustCompile(`([a-z\d])([A-Z])`)
)

// underscore is ActiveSupport's String#underscore.
func underscore(s string) string {
	if !camelOrDash.MatchString(s) {
		return s
	}
	s = strings.ReplaceAll(s, "::", "/")
	s = acronymEnd.ReplaceAllString(s, "${1}_$2")
	s = wordEnd.ReplaceAllString(s, "${1}_$2")
	s = strings.ReplaceAll(s, "-", "_")
	s = strings.ReplaceAll(s, "İ", "i̇") // the one letter that Ruby makes two of
	return strings.ToLower(s)
}
