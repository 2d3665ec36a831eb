package glex

import (
	"bytes"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"strings"
	"time"
)

// A Digest is a hash function that Rails is configured with.
type Digest uint8

const (
	SHA1   Digest = iota // Rails' default for signatures, and for keys before 7.0
	SHA256               // Rails' default for keys since 7.0
	SHA384
	SHA512
)

func (d Digest) new() func() hash.Hash {
	switch d {
	case SHA1:
		return sha1.New
	case SHA256:
		return sha256.New
	case SHA384:
		return sha512.New384
	case SHA512:
		return sha512.New
	}
	return nil
}

// A RailsKey says how a Rails application signs cookies. Its zero values are
// the defaults up to Rails 6.1; an application that loads the defaults of 7.0
// or later has KeyDigest SHA256.
type RailsKey struct {
	// SecretKeyBase is the application's secret_key_base.
	SecretKeyBase string

	// KeyDigest is config.active_support.key_generator_hash_digest_class.
	KeyDigest Digest

	// Digest is config.action_dispatch.signed_cookie_digest.
	Digest Digest

	// Salt is config.action_dispatch.signed_cookie_salt. Empty is its default,
	// "signed cookie".
	Salt string
}

// Constants of Rails' key derivation: ActiveSupport::KeyGenerator as
// Rails::Application#key_generator makes it.
const (
	signedCookieSalt = "signed cookie"
	keyIterations    = 1000
	keyBytes         = 64
)

// A verifier is Rails' ActiveSupport::MessageVerifier as signed cookies use it:
// base64 of the message, "--", and the hex of its HMAC. The message is a JSON
// value, mostly in an envelope that names its purpose and its expiry.
type verifier struct {
	secret []byte
	digest func() hash.Hash
}

func newVerifier(key RailsKey) (*verifier, error) {
	derive, digest := key.KeyDigest.new(), key.Digest.new()
	switch {
	case key.SecretKeyBase == "":
		return nil, errors.New("glex: the RailsKey has no SecretKeyBase")
	case derive == nil:
		return nil, fmt.Errorf("glex: RailsKey: KeyDigest(%d) is unknown", key.KeyDigest)
	case digest == nil:
		return nil, fmt.Errorf("glex: RailsKey: Digest(%d) is unknown", key.Digest)
	}
	salt := key.Salt
	if salt == "" {
		salt = signedCookieSalt
	}
	secret, err := pbkdf2.Key(derive, key.SecretKeyBase, []byte(salt), keyIterations, keyBytes)
	if err != nil {
		return nil, fmt.Errorf("glex: RailsKey: %w", err)
	}
	return &verifier{secret: secret, digest: digest}, nil
}

// An envelope is what Rails wraps a message in (ActiveSupport's
// Messages::Metadata, in the form that cookies have in all versions).
type envelope struct {
	Rails *metadata `json:"_rails"`
}

type metadata struct {
	Message string  `json:"message"` // base64 of the value's JSON
	Expires *string `json:"exp"`     // ISO 8601
	Purpose *string `json:"pur"`
}

var (
	errSignature = errors.New("its signature is wrong")
	errMarshal   = errors.New("it holds a marshalled Ruby object, which is not read; set cookies_serializer to :json in Rails")
)

// marshalled begins every value of Ruby's Marshal.
var marshalled = []byte{4, 8}

// verify returns the text that was signed for the purpose. As in Rails, a
// message without a purpose serves any.
func (v *verifier) verify(message, purpose string, now time.Time) (string, error) {
	data, digest, found := strings.Cut(message, "--")
	if !found || data == "" || !hmac.Equal([]byte(digest), []byte(v.sign(data))) {
		return "", errSignature
	}
	value, err := base64.StdEncoding.Strict().DecodeString(data)
	if err != nil {
		return "", fmt.Errorf("it is no base64: %w", err)
	}
	var e envelope
	if json.Unmarshal(value, &e) == nil && e.Rails != nil {
		if value, err = e.Rails.open(purpose, now); err != nil {
			return "", err
		}
	}
	if bytes.HasPrefix(value, marshalled) {
		return "", errMarshal
	}
	var text *string
	if err := json.Unmarshal(value, &text); err != nil || text == nil {
		return "", errors.New("it holds no text in JSON")
	}
	return *text, nil
}

func (m *metadata) open(purpose string, now time.Time) ([]byte, error) {
	if m.Expires != nil {
		expires, err := time.Parse(time.RFC3339, *m.Expires)
		switch {
		case err != nil:
			return nil, fmt.Errorf("its expiry can't be read: %w", err)
		case !now.Before(expires):
			return nil, fmt.Errorf("it expired at %s", *m.Expires)
		}
	}
	if m.Purpose != nil && *m.Purpose != "" && *m.Purpose != purpose {
		return nil, errors.New("it was signed for another purpose")
	}
	value, err := base64.StdEncoding.Strict().DecodeString(m.Message)
	if err != nil {
		return nil, fmt.Errorf("its message is no base64: %w", err)
	}
	return value, nil
}

// generate signs a text for a purpose, without an expiry.
func (v *verifier) generate(text, purpose string) string {
	value, _ := json.Marshal(text)
	message, _ := json.Marshal(envelope{Rails: &metadata{
		Message: base64.StdEncoding.EncodeToString(value), Purpose: &purpose,
	}})
	data := base64.StdEncoding.EncodeToString(message)
	return data + "--" + v.sign(data)
}

func (v *verifier) sign(data string) string {
	mac := hmac.New(v.digest, v.secret)
	mac.Write([]byte(data))
	return hex.EncodeToString(mac.Sum(nil))
}
