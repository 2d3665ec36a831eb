package main

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/memstore"
	"github.com/rolloutkit/rolloutkit/core/web"
	"github.com/rolloutkit/rolloutkit/providers/percent"
)

// A user has signed up. nil is a visitor whom nobody knows yet.
type user struct {
	ID, Name string
	Staff    bool
}

// A hero is what greets on the landing page.
type hero struct{ Title, Text, Button, Look string }

// region experiments

// unit says what assignments stick to. The actor of a visitor is empty: the
// request's cookie stands in for it until they sign up.
func unit(u *user) core.Unit {
	if u == nil {
		return core.Actor("")
	}
	return core.Actor(u.ID)
}

func staff(_ context.Context, u *user) bool { return u != nil && u.Staff }

var landing = core.Definition[*user, hero]{
	Name:    "landing",
	Unit:    unit,
	Control: core.Variant[*user, hero]{Value: hero{"Good tea, by post.", "Forty leaves from nine gardens.", "Sign up", "plain"}},
	Variants: []core.Variant[*user, hero]{
		{Name: "story", Value: hero{"Picked on Monday, in your cup on Friday.", "We know every garden by name, and so will you.", "Meet the gardens", "story"}},
		{Name: "offer", Value: hero{"Your first tin is on us.", "Sign up today and choose a tin of 100 g.", "Get my tin", "offer"}},
	},
	Exclusions: []core.Rule[*user]{{Name: "staff", If: staff}},
	Rollout:    percent.New(percent.Weights{"control": 30, "story": 35, "offer": 35}),
}

// The banner is chosen in the browser, among slots that the page has.
var banner = core.Definition[*user, struct{}]{
	Name: "banner", Unit: unit,
	Variants:   []core.Variant[*user, struct{}]{{Name: "shipping"}},
	Exclusions: []core.Rule[*user]{{Name: "staff", If: staff}},
	Rollout:    percent.New(percent.Weights{"control": 50, "shipping": 50}),
}

// The mail is chosen in a job, without a request.
var mail = core.Definition[*user, string]{
	Name: "welcome_mail", Unit: unit,
	Control:  core.Variant[*user, string]{Value: "mail.txt"},
	Variants: []core.Variant[*user, string]{{Name: "personal", Value: "mail_personal.txt"}},
	Rollout:  percent.New(percent.Weights{"control": 50, "personal": 50}),
}

// endregion

// newShop sets everything up. base is the shop's own address.
func newShop(base string) (*shop, error) {
	s := &shop{base: base, sessions: map[string]*user{}, mails: make(chan *user, 100)}
	client, err := core.New(core.Config{
		Store:       memstore.New(nil),
		Tracker:     &s.events,
		KeySecret:   []byte(rand.Text() + rand.Text()), // a real shop keeps its secret
		NamePrefix:  "shop",
		AllowForced: true,
	})
	if err != nil {
		return nil, err
	}
	var faults [4]error
	s.landing, faults[0] = core.Define(client, landing)
	s.banner, faults[1] = core.Define(client, banner)
	s.mail, faults[2] = core.Define(client, mail)
	s.site, faults[3] = web.New(client, web.Config{
		Mount:    "/experiment",
		BaseURL:  base,
		Insecure: true, // it is for a look at home; a real shop has https
	})
	return s, errors.Join(faults[:]...)
}

// testers returns links that show each variant of the landing page.
func (s *shop) testers() (links []link, err error) {
	for _, variant := range s.landing.Variants() {
		token, err := s.site.ForceToken(s.landing.Name(), variant, 24*time.Hour)
		if err != nil {
			return nil, err
		}
		links = append(links, link{variant, "/?glex_force=" + url.QueryEscape(token)})
	}
	return links, nil
}

type link struct{ Name, URL string }

// who returns the signed-in user, nil for a visitor.
func (s *shop) who(r *http.Request) *user {
	c, err := r.Cookie("session")
	if err != nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sessions[c.Value]
}
