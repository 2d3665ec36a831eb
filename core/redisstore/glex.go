package redisstore

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rolloutkit/rolloutkit/core"
)

// maxGLEXName bounds what counts as a variant name in the gem's layout. The gem
// has no bound; no name that anybody gives has 255 bytes.
const maxGLEXName = 255

// decodeGLEX reads a value of the gem's layout: a bare variant name. The gem
// takes an empty value for control without saying so; here it is unreadable.
func decodeGLEX(value string) (core.Entry, error) {
	if value == "" || len(value) > maxGLEXName || !utf8.ValidString(value) ||
		strings.ContainsFunc(value, unicode.IsControl) {
		return core.Entry{}, unreadable(value)
	}
	return core.Entry{Variant: value, Final: true}, nil
}
