package glex_test

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core/glex"
)

type railsCookie struct {
	Rails, Title, Name string
	Value              any
	SetCookie          string `json:"set_cookie"`
}

func (c *railsCookie) experiment() string { return strings.TrimSuffix(c.Name, "_id") }

// key returns how the application signed the cookie.
func (c *railsCookie) key(secretKeyBase string) glex.RailsKey {
	key := map[string]glex.RailsKey{
		"signature by SHA-256":         {Digest: glex.SHA256},
		"signature by SHA-512":         {Digest: glex.SHA512},
		"another salt":                 {Salt: "pepper"},
		"key by SHA-256":               {KeyDigest: glex.SHA256},
		"key and signature by SHA-256": {KeyDigest: glex.SHA256, Digest: glex.SHA256},
	}[c.Title]
	key.SecretKeyBase = secretKeyBase
	return key
}

func readRailsCookies(t *testing.T) (secretKeyBase string, cookies []railsCookie) {
	t.Helper()
	var golden struct {
		SecretKeyBase string `json:"secret_key_base"`
		Cookies       []railsCookie
	}
	readRecorded(t, "rails_cookies.json", &golden)
	require.NotEmpty(t, golden.Cookies)
	return golden.SecretKeyBase, golden.Cookies
}

func newCookies(t testing.TB, key glex.RailsKey, rotated ...glex.RailsKey) *glex.RailsCookies {
	t.Helper()
	c, err := glex.NewRailsCookies(key, rotated...)
	require.NoError(t, err)
	return c
}

// requestWith returns the request of a browser that keeps a Set-Cookie header.
func requestWith(setCookie string) *http.Request {
	pair, _, _ := strings.Cut(setCookie, ";")
	return &http.Request{Header: http.Header{"Cookie": {"other=1; " + pair}}}
}

func TestCookiesOfRailsAreRead(t *testing.T) {
	refused := map[string]string{
		"marshalled":                   "marshalled Ruby object, which is not read",
		"marshalled, without metadata": "marshalled Ruby object, which is not read",
		"expired in 2001":              "expired at 2001-01-02T03:04:05.000Z",
		"an empty text":                "is empty",
		"a number":                     "no text in JSON",
	}
	withoutPurpose := map[string]bool{"without metadata": true, "expires in 2100, without purpose": true}
	secret, golden := readRailsCookies(t)
	for _, c := range golden {
		t.Run(c.Rails+" "+c.Title, func(t *testing.T) {
			cookies := newCookies(t, c.key(secret))
			id, err := cookies.Read(requestWith(c.SetCookie), c.experiment())
			if why := refused[c.Title]; why != "" {
				require.ErrorContains(t, err, why)
				require.ErrorContains(t, err, "the cookie "+c.Name)
				require.Empty(t, id)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.Value, id)

			id, err = newCookies(t, glex.RailsKey{SecretKeyBase: "new"}, glex.RailsKey{SecretKeyBase: "older"}, c.key(secret)).
				Read(requestWith(c.SetCookie), c.experiment())
			require.NoError(t, err, "a rotated key still reads")
			require.Equal(t, c.Value, id)

			_, err = newCookies(t, glex.RailsKey{SecretKeyBase: secret, Salt: "another"}).Read(requestWith(c.SetCookie), c.experiment())
			require.ErrorContains(t, err, "signature is wrong", "under another key")
			_, value, _ := strings.Cut(c.SetCookie, "=")
			_, err = cookies.Read(requestWith("other_id="+value), "other")
			if withoutPurpose[c.Title] {
				require.NoError(t, err, "as in Rails, a cookie without a purpose serves any")
			} else {
				require.ErrorContains(t, err, "another purpose", "for another experiment")
			}
		})
	}
}

// What New makes is what Rails makes, byte for byte, apart from the domain.
func TestCookiesAreMadeAsRailsDoes(t *testing.T) {
	made := map[string]bool{"as the gem sets it": true, "of a namespaced experiment": true, "signature by SHA-256": true,
		"key by SHA-256": true, "key and signature by SHA-256": true}
	secret, golden := readRailsCookies(t)
	for _, c := range golden {
		if !made[c.Title] {
			continue
		}
		t.Run(c.Rails+" "+c.Title, func(t *testing.T) {
			want, err := http.ParseSetCookie(c.SetCookie)
			require.NoError(t, err)
			earliest := time.Now().AddDate(20, 0, 0)
			got := newCookies(t, c.key(secret)).New(c.experiment(), c.Value.(string))
			require.False(t, got.Expires.Before(earliest))
			want.Expires, want.Domain = got.Expires, ""
			want.Raw, want.RawExpires = "", ""
			if strings.HasPrefix(c.Rails, "6.0") {
				want.SameSite = http.SameSiteLaxMode // since 6.1
			}
			require.Equal(t, want, got)
		})
	}
}

// signed returns the cookie of experiment e with a message, signed under the
// secret "secret" by Rails' defaults.
func signed(t *testing.T, message string) string {
	return signedData(t, base64.StdEncoding.EncodeToString([]byte(message)))
}

func signedData(t *testing.T, data string) string {
	t.Helper()
	key, err := pbkdf2.Key(sha1.New, "secret", []byte("signed cookie"), 1000, 64)
	require.NoError(t, err)
	mac := hmac.New(sha1.New, key)
	mac.Write([]byte(data))
	return "e_id=" + data + "--" + hex.EncodeToString(mac.Sum(nil))
}

func TestForgedCookiesAreRefused(t *testing.T) {
	cookies := newCookies(t, glex.RailsKey{SecretKeyBase: "secret"})
	good := signed(t, `"visitor"`)
	id, err := cookies.Read(requestWith(good), "e")
	require.NoError(t, err)
	require.Equal(t, "visitor", id)

	_, message, _ := strings.Cut(good, "=")
	for i := range message {
		for _, c := range []byte{'A', '-', 0, '%'} {
			forged := []byte(message)
			if forged[i] == c {
				continue
			}
			forged[i] = c
			_, err := cookies.Read(requestWith("e_id="+string(forged)), "e")
			require.Error(t, err, "%s", forged)
		}
	}
	data, digest, _ := strings.Cut(message, "--")
	for _, forged := range []string{"", "--", data, data + "--", "--" + digest, data + "--" + digest + "0", data + "--" + strings.ToUpper(digest),
		data + "-" + digest, message + "--" + digest, digest + "--" + data} {
		_, err := cookies.Read(requestWith("e_id="+forged), "e")
		require.Error(t, err, "%s", forged)
	}
}

func TestSignedCookiesOfAnotherFormAreRefused(t *testing.T) {
	cookies := newCookies(t, glex.RailsKey{SecretKeyBase: "secret"})
	for plain, why := range map[string]string{
		`null`:                       "no text in JSON",
		`["visitor"]`:                "no text in JSON",
		`{"_rails":{}}`:              "no text in JSON",
		"\x04\bI\"\x06a":             "marshalled",
		`{"_rails":{"message":"!"}}`: "message is no base64",
		`{"_rails":{"message":"ImEi","exp":"never"}}`:    "expiry can't be read",
		`{"_rails":{"message":"ImEi","pur":"cookie.x"}}`: "another purpose",
		`{"_rails":{"data":"a","pur":"cookie.e_id"}}`:    "no text in JSON",
	} {
		t.Run(plain, func(t *testing.T) {
			_, err := cookies.Read(requestWith(signed(t, plain)), "e")
			require.ErrorContains(t, err, why)
		})
	}
	_, err := cookies.Read(requestWith(signedData(t, "no-base64")), "e")
	require.ErrorContains(t, err, "no base64")
}

func TestWithoutCookieOrKey(t *testing.T) {
	_, err := newCookies(t, glex.RailsKey{SecretKeyBase: "secret"}).Read(requestWith("another=1"), "e")
	require.ErrorIs(t, err, http.ErrNoCookie)
	for _, key := range []glex.RailsKey{{}, {SecretKeyBase: "s", Digest: 9}, {SecretKeyBase: "s", KeyDigest: 9}} {
		_, err := glex.NewRailsCookies(key)
		require.ErrorContains(t, err, "RailsKey")
	}
}

func TestNewVisitorIDIsARandomUUID(t *testing.T) {
	a, b := glex.NewVisitorID(), glex.NewVisitorID()
	require.NotEqual(t, a, b)
	require.Regexp(t, `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, a)
}

// FuzzRead reads values unsigned, which are refused, and signed, which are read
// or refused without a panic.
func FuzzRead(f *testing.F) {
	cookies := newCookies(f, glex.RailsKey{SecretKeyBase: "secret"})
	f.Add(`"visitor"`)
	f.Add(`{"_rails":{"message":"ImEi","exp":null,"pur":"cookie.e_id"}}`)
	f.Add("\x04\b0")
	f.Fuzz(func(t *testing.T, plain string) {
		_, err := cookies.Read(requestWith("e_id="+plain), "e")
		require.Error(t, err)
		id, err := cookies.Read(requestWith(signed(t, plain)), "e")
		require.Equal(t, err == nil, id != "")
	})
}
