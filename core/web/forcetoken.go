package web

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rolloutkit/rolloutkit/core"
)

// ForceToken returns a value for the query parameter that forces the variant on
// whoever presents it, for as long as ttl: for a link that is given to testers.
// It can't be taken back, unless the site drops the secret. It is an error if
// the client has no such experiment or variant, or if ttl is less than a second.
// Programs without a site have the function [ForceToken], people the command
// core/web/forcetoken.
func (s *Site) ForceToken(experiment, variant string, ttl time.Duration) (string, error) {
	variants := s.client.Variants(experiment)
	switch {
	case variants == nil:
		return "", fmt.Errorf("web: no experiment is called %q on this client", experiment)
	case !slices.Contains(variants, variant):
		return "", fmt.Errorf("web: experiment %s has no variant %q; the variants are %q", experiment, variant, variants)
	}
	if err := checkForce(experiment, variant, ttl); err != nil {
		return "", err
	}
	return s.signer.force(experiment, variant, time.Now().Add(ttl)), nil
}

// Secrets are what a site signs with, for [ForceToken]. As with a site, Secret
// counts if it is not nil, else what is derived from KeySecret.
type Secrets struct {
	// KeySecret is that of core.Config, as it is there: at least 32 bytes.
	KeySecret []byte

	// Secret is that of [Config]: at least 32 bytes, nil where it is nil.
	Secret []byte
}

// ForceToken is [Site.ForceToken] where there is no site, as in tools for
// support. Sites accept the token that have the secret, be it by now among
// their PreviousSecrets. experiment is the full name, prefix included. It is an
// error if a name is one that no experiment or variant can have, if ttl is less
// than a second, or if the secret is too short. Whether experiment and variant
// exist is not known here; sites ignore what they don't have.
func ForceToken(by Secrets, experiment, variant string, ttl time.Duration) (string, error) {
	if err := checkForce(experiment, variant, ttl); err != nil {
		return "", err
	}
	signer, err := by.signer()
	if err != nil {
		return "", err
	}
	return signer.force(experiment, variant, time.Now().Add(ttl)), nil
}

// signer returns what signs as a site with the secrets does.
func (by Secrets) signer() (signer, error) {
	name, secret := "Secret", by.Secret
	if secret == nil {
		name, secret = "KeySecret", by.KeySecret
	}
	if len(secret) < minSecret {
		return signer{}, fmt.Errorf("web: %s has %d bytes; it needs at least %d", name, len(secret), minSecret)
	}
	if by.Secret != nil {
		return newSigner(nil, &Config{Secret: secret})
	}
	client, err := core.New(core.Config{KeySecret: secret}) // which derives secrets
	if err != nil {
		return signer{}, err
	}
	return newSigner(client, &Config{})
}

// The names that core.Define permits.
var (
	experimentName = regexp.MustCompile(`^[a-z][a-z0-9_./-]{0,99}$`)
	variantName    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_. -]{0,99}$`)
)

// checkForce returns why there can't be a token for these. A ttl below a second
// may be over at once, since tokens expire at whole seconds.
func checkForce(experiment, variant string, ttl time.Duration) error {
	switch {
	case !experimentName.MatchString(experiment):
		return fmt.Errorf("web: the full name %q of an experiment is not allowed: 1 to 100 of a-z, 0-9 and _ . / -, beginning with a letter", experiment)
	case !variantName.MatchString(variant):
		return fmt.Errorf("web: the variant name %q is not allowed: 1 to 100 of A-Z, a-z, 0-9, space and _ . -, beginning with a letter or digit", variant)
	case ttl < time.Second:
		return fmt.Errorf("web: a token can't last %v; it needs at least %v", ttl, time.Second)
	}
	return nil
}

// force returns a token that is valid before the second of expires.
func (s *signer) force(experiment, variant string, expires time.Time) string {
	at := strconv.FormatInt(expires.Unix(), 36)
	return experiment + ":" + variant + ":" + at + "." + s.sign(signsForce, experiment, variant, at)
}

// validForce reports whether force made the token for these, and it has not
// expired.
func (s *signer) validForce(experiment, variant, token string) bool {
	expires, signature, ok := strings.Cut(token, ".")
	if !ok || !s.valid(signature, signsForce, experiment, variant, expires) {
		return false
	}
	at, err := strconv.ParseInt(expires, 36, 64)
	return err == nil && time.Now().Unix() < at
}
