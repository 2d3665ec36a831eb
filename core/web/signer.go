package web

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/rolloutkit/rolloutkit/core"
)

const minSecret = 32 // bytes: as many as the hash has

// A signer makes and checks signatures: HMAC-SHA-256 over length-prefixed texts,
// the first of which is the purpose, so that no signature serves another one.
type signer struct {
	secrets [][]byte // newest first; the first one signs
}

// The purposes.
const (
	signsCookie = "cookie"
	signsForce  = "force"
	signsLink   = "link"
	signsEvent  = "event"
)

func newSigner(client *core.Client, cfg *Config) (signer, error) {
	if cfg.Secret == nil {
		if len(cfg.PreviousSecrets) > 0 {
			return signer{}, fmt.Errorf("web: PreviousSecrets without a Secret")
		}
		secrets := client.DerivedSecrets("web")
		if secrets == nil {
			return signer{}, fmt.Errorf("web: Secret is missing, and the client's is shorter than %d bytes", minSecret)
		}
		return signer{secrets}, nil
	}
	var secrets [][]byte
	for i, secret := range append([][]byte{cfg.Secret}, cfg.PreviousSecrets...) {
		if len(secret) < minSecret {
			return signer{}, fmt.Errorf("web: secret %d has %d bytes; it needs at least %d", i+1, len(secret), minSecret)
		}
		secrets = append(secrets, slices.Clone(secret))
	}
	return signer{secrets}, nil
}

// sign returns the signature of texts, 43 letters of base64url.
func (s *signer) sign(purpose string, texts ...string) string {
	return base64.RawURLEncoding.EncodeToString(sum(s.secrets[0], purpose, texts))
}

// valid reports whether signature is that of texts under any of the secrets.
func (s *signer) valid(signature, purpose string, texts ...string) bool {
	given, err := base64.RawURLEncoding.Strict().DecodeString(signature)
	if err != nil {
		return false
	}
	valid := false
	for _, secret := range s.secrets {
		valid = hmac.Equal(given, sum(secret, purpose, texts)) || valid
	}
	return valid
}

func sum(secret []byte, purpose string, texts []string) []byte {
	mac := hmac.New(sha256.New, secret)
	b := appendText(nil, purpose)
	for _, t := range texts {
		b = appendText(b, t)
	}
	mac.Write(b)
	return mac.Sum(nil)
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}
