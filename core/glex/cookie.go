package glex

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// cookieName returns the name of the gem's cookie as Rails signs it.
func cookieName(experiment string) string { return experiment + "_id" }

// headerName returns that name as it is on the wire: Rails escapes what a name
// may not have, so the cookie of "shop_cart/button" is "shop_cart%2Fbutton_id".
func headerName(experiment string) string { return url.QueryEscape(cookieName(experiment)) }

// RailsCookies reads, checks and makes the signed cookies in which the gem, in
// a Rails application, keeps the ids of visitors who are not signed in. Make it
// with [NewRailsCookies]. It is safe for many goroutines.
type RailsCookies struct {
	verifiers []*verifier // the first one signs
}

// NewRailsCookies returns the cookies that are signed under key. Cookies signed
// under one of rotated are read too, for an application that has
// config.action_dispatch.cookies_rotations.
func NewRailsCookies(key RailsKey, rotated ...RailsKey) (*RailsCookies, error) {
	c := &RailsCookies{}
	for _, k := range append([]RailsKey{key}, rotated...) {
		v, err := newVerifier(k)
		if err != nil {
			return nil, err
		}
		c.verifiers = append(c.verifiers, v)
	}
	return c, nil
}

// Read returns the visitor's id from the request's cookie for the experiment of
// that full name. It returns an error that wraps [http.ErrNoCookie] if there is
// none or an empty one, and says what is wrong with one that it does not trust:
// Rails would then make a new visitor, and so should its caller. Values that
// Ruby marshalled are refused unread.
func (c *RailsCookies) Read(r *http.Request, experiment string) (id string, err error) {
	cookie, err := r.Cookie(headerName(experiment))
	if err != nil {
		return "", fmt.Errorf("glex: experiment %s: %w", experiment, err)
	}
	message := cookie.Value
	if unescaped, err := url.PathUnescape(message); err == nil {
		message = unescaped
	}
	name := cookieName(experiment)
	for i, v := range c.verifiers {
		id, err = v.verify(message, "cookie."+name, time.Now())
		if !errors.Is(err, errSignature) || i == len(c.verifiers)-1 {
			break
		}
	}
	if err != nil {
		return "", fmt.Errorf("glex: the cookie %s: %w", name, err)
	}
	if id == "" {
		return "", fmt.Errorf("glex: the cookie %s is empty: %w", name, http.ErrNoCookie)
	}
	return id, nil
}

// New returns the cookie that gives a visitor the id for the experiment of that
// full name, as the gem would set it: for 20 years, for the whole site, over
// TLS and not for scripts. Domain is left to the caller, since it has to be
// what the application's cookie_domain amounts to, by default the registrable
// domain; else the browser keeps two cookies. Reading it needs Rails 5.2 or
// later, and cookies_serializer :json or :hybrid.
func (c *RailsCookies) New(experiment, id string) *http.Cookie {
	value := c.verifiers[0].generate(id, "cookie."+cookieName(experiment))
	return &http.Cookie{
		Name: headerName(experiment), Value: url.QueryEscape(value), Path: "/", Expires: time.Now().AddDate(20, 0, 0),
		Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
}

// Expired returns the cookie that deletes the visitor's, which the gem does once
// the actor is known. Domain is left to the caller, as for New.
func (c *RailsCookies) Expired(experiment string) *http.Cookie {
	return &http.Cookie{Name: headerName(experiment), Path: "/", MaxAge: -1, Secure: true, HttpOnly: true}
}

// NewVisitorID returns an id for a visitor who has none: a random UUID, version
// 4 (RFC 9562), as the gem makes it.
func NewVisitorID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
