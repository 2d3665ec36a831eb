package glex

import "github.com/rolloutkit/rolloutkit/core"

// Keys returns a context's key and its older ones as the gem lists them: unlike
// the core it keeps doubles, and has keys for nobody too.
func (c Context) Keys(s Scheme, secret, experiment string) (key string, older []string, err error) {
	own, contexts := c.identities()
	key, err = s.Key([]byte(secret), experiment, own)
	for _, attrs := range contexts {
		k, fault := s.Key([]byte(secret), experiment, attrs)
		if fault != nil {
			err = fault
		}
		older = append(older, k)
	}
	return key, older, err
}

// Merged is how a later call of Ruby's context adds to an earlier one.
var Merged = merged

// Text returns what the gem hashes of an attribute.
func Text(a core.Attr) string { return string(appendText(nil, a)) }
