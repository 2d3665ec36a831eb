package glex

import (
	"encoding/base64"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

type railsCookie struct {
	Rails     string
	Title     string
	Name      string
	Value     any
	SetCookie string `json:"set_cookie"`
}

func readRailsCookies(t *testing.T) (secret string, cookies []railsCookie) {
	t.Helper()
	var golden struct {
		SecretKeyBase string `json:"secret_key_base"`
		Cookies       []railsCookie
	}
	readGolden(t, "rails_cookies.json", &golden)
	require.NotEmpty(t, golden.Cookies)
	return golden.SecretKeyBase, golden.Cookies
}

// request returns a request whose browser kept the Set-Cookie headers.
func requestWith(headers ...string) *http.Request {
	r := &http.Request{Header: http.Header{}}
	var pairs []string
	for _, h := range headers {
		pair, _, _ := strings.Cut(h, ";")
		pairs = append(pairs, pair)
	}
	r.Header.Set("Cookie", strings.Join(pairs, "; "))
	return r
}

func TestCookiesOfRailsAreRead(t *testing.T) {
	secret, golden := readRailsCookies(t)
	keys := map[string]RailsKey{
		"signature by SHA-256":         {Digest: SHA256},
		"signature by SHA-512":         {Digest: SHA512},
		"another salt":                 {Salt: "pepper"},
		"key by SHA-256":               {KeyDigest: SHA256},
		"key and signature by SHA-256": {KeyDigest: SHA256, Digest: SHA256},
	}
	refused := map[string]string{
		"marshalled":                   "marshalled Ruby object, which is not read",
		"marshalled, without metadata": "marshalled Ruby object, which is not read",
		"expired in 2001":              "expired at 2001-01-02T03:04:05.000Z",
		"an empty text":                "is empty",
		"a number":                     "no text in JSON",
	}
	for _, c := range golden {
		t.Run(c.Rails+" "+c.Title, func(t *testing.T) {
			key := keys[c.Title]
			key.SecretKeyBase = secret
			cookies, err := NewRailsCookies(key)
			require.NoError(t, err)
			experiment := strings.TrimSuffix(c.Name, "_id")

			id, err := cookies.Read(requestWith("other=1", c.SetCookie), experiment)
			if why := refused[c.Title]; why != "" {
				require.ErrorContains(t, err, why)
				require.ErrorContains(t, err, "the cookie "+c.Name)
				require.Empty(t, id)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.Value, id)

			// Not under another key, and not for another experiment.
			other, err := NewRailsCookies(RailsKey{SecretKeyBase: secret, Salt: "another"})
			require.NoError(t, err)
			_, err = other.Read(requestWith(c.SetCookie), experiment)
			require.ErrorIs(t, err, errSignature)
			_, err = cookies.Verify("other", valueOf(c.SetCookie))
			if c.Title == "without metadata" || c.Title == "expires in 2100, without purpose" {
				require.NoError(t, err, "as in Rails, a cookie without a purpose serves any")
			} else {
				require.ErrorContains(t, err, "another purpose")
			}

			// A rotated key still reads.
			rotated, err := NewRailsCookies(RailsKey{SecretKeyBase: "new"}, RailsKey{SecretKeyBase: "older"}, key)
			require.NoError(t, err)
			id, err = rotated.Read(requestWith(c.SetCookie), experiment)
			require.NoError(t, err)
			require.Equal(t, c.Value, id)
		})
	}
}

func valueOf(setCookie string) string {
	pair, _, _ := strings.Cut(setCookie, ";")
	_, value, _ := strings.Cut(pair, "=")
	return value
}

// What New makes is what Rails makes, byte for byte, apart from the domain.
func TestCookiesAreMadeAsRailsDoes(t *testing.T) {
	secret, golden := readRailsCookies(t)
	same := map[string]RailsKey{
		"as the gem sets it": {}, "of a namespaced experiment": {}, "signature by SHA-256": {Digest: SHA256},
		"key by SHA-256": {KeyDigest: SHA256}, "key and signature by SHA-256": {KeyDigest: SHA256, Digest: SHA256},
	}
	made := 0
	for _, c := range golden {
		key, ok := same[c.Title]
		if !ok {
			continue
		}
		made++
		key.SecretKeyBase = secret
		cookies, err := NewRailsCookies(key)
		require.NoError(t, err)
		want, err := http.ParseSetCookie(c.SetCookie)
		require.NoError(t, err)
		cookies.now = func() time.Time { return want.Expires.AddDate(-20, 0, 0) }
		got := cookies.New(strings.TrimSuffix(c.Name, "_id"), c.Value.(string))
		got.Domain = "example.com"
		want.Raw, want.RawExpires, want.Domain = "", "", "example.com"
		if strings.HasPrefix(c.Rails, "6.0") {
			want.SameSite = http.SameSiteLaxMode // since 6.1
		}
		require.Equal(t, want, got)
	}
	require.NotZero(t, made)
}

func TestForgedCookiesAreRefused(t *testing.T) {
	cookies, err := NewRailsCookies(RailsKey{SecretKeyBase: "secret"})
	require.NoError(t, err)
	good := cookies.verifiers[0].generate("visitor", "cookie.e_id")
	id, err := cookies.Verify("e", good)
	require.NoError(t, err)
	require.Equal(t, "visitor", id)

	data, digest, _ := strings.Cut(good, "--")
	for i := range good {
		for _, c := range []byte{'A', '-', 0, '%'} {
			forged := []byte(good)
			if forged[i] == c {
				continue
			}
			forged[i] = c
			_, err := cookies.Verify("e", string(forged))
			require.Error(t, err, "%s", forged)
		}
	}
	for _, forged := range []string{"", "--", data, data + "--", "--" + digest, data + "--" + digest + "0", data + "--" + strings.ToUpper(digest),
		data + "-" + digest, good + "--" + digest, digest + "--" + data} {
		_, err := cookies.Verify("e", forged)
		require.Error(t, err, "%s", forged)
	}
	sign := func(plain string) string {
		data := base64.StdEncoding.EncodeToString([]byte(plain))
		return data + "--" + cookies.verifiers[0].sign(data)
	}
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
		_, err := cookies.Verify("e", sign(plain))
		require.ErrorContains(t, err, why, plain)
	}
	_, err = cookies.Verify("e", "no base64--"+cookies.verifiers[0].sign("no base64"))
	require.ErrorContains(t, err, "no base64")
}

func TestNoCookie(t *testing.T) {
	cookies, err := NewRailsCookies(RailsKey{SecretKeyBase: "secret"})
	require.NoError(t, err)
	_, err = cookies.Read(requestWith("other=1"), "e")
	require.ErrorIs(t, err, http.ErrNoCookie)

	for _, key := range []RailsKey{{}, {SecretKeyBase: "s", Digest: 9}, {SecretKeyBase: "s", KeyDigest: 9}} {
		_, err := NewRailsCookies(key)
		require.ErrorContains(t, err, "RailsKey")
	}
}

func TestNewVisitorID(t *testing.T) {
	a, b := NewVisitorID(), NewVisitorID()
	require.NotEqual(t, a, b)
	require.Regexp(t, regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`), a)
}

func FuzzVerify(f *testing.F) {
	cookies, err := NewRailsCookies(RailsKey{SecretKeyBase: "secret"})
	require.NoError(f, err)
	f.Add(`"visitor"`)
	f.Add(`{"_rails":{"message":"ImEi","exp":null,"pur":"cookie.e_id"}}`)
	f.Add("\x04\b0")
	f.Fuzz(func(t *testing.T, plain string) {
		// Unsigned it is refused; signed it is read or refused, without a panic.
		_, err := cookies.Verify("e", plain)
		require.Error(t, err)
		data := base64.StdEncoding.EncodeToString([]byte(plain))
		id, err := cookies.Verify("e", data+"--"+cookies.verifiers[0].sign(data))
		require.Equal(t, err == nil, id != "")
	})
}
