package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"embed"
	"encoding/json"
	"html/template"
	"log"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/web"
)

// A shop is the whole program. Everything is in memory.
type shop struct {
	base    string
	landing *core.Experiment[*user, hero]
	banner  *core.Experiment[*user, struct{}]
	mail    *core.Experiment[*user, string]
	site    *web.Site
	events  eventLog
	mails   chan *user

	mu       sync.Mutex
	sessions map[string]*user
	outbox   []letter
}

//go:embed pages
var files embed.FS

var pages = template.Must(template.New("").Funcs(web.Funcs()).ParseFS(files, "pages/*.html"))

func (s *shop) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.home)
	mux.HandleFunc("POST /signup", s.signUp)
	mux.HandleFunc("POST /signout", s.signOut)
	mux.HandleFunc("GET /dashboard", s.dashboard)
	mux.HandleFunc("GET /guide", func(w http.ResponseWriter, r *http.Request) { s.show(w, r, "guide.html", nil) })
	mux.HandleFunc("GET /outbox", s.showOutbox)
	mux.HandleFunc("GET /testers", s.showTesters)
	mux.HandleFunc("GET /events", s.events.serve)
	return s.site.Handler(mux)
}

// A view is what every page gets.
type view struct {
	Ctx    context.Context
	User   *user
	Nonce  string
	Script template.HTML
	Data   any
}

// show renders a page. The script comes last, when all experiments have run.
func (s *shop) show(w http.ResponseWriter, r *http.Request, page string, data any) {
	nonce := rand.Text()
	v := view{r.Context(), s.who(r), nonce, web.Script(r.Context(), nonce), data}
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, page, v); err != nil {
		log.Print(err)
		http.Error(w, "the page is broken", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'self'; style-src 'nonce-"+nonce+"'; script-src 'nonce-"+nonce+"'")
	_, _ = b.WriteTo(w)
}

// region home
func (s *shop) home(w http.ResponseWriter, r *http.Request) {
	u := s.who(r)
	core.Preload(r.Context(), s.landing.For(u), s.banner.For(u)) // one look into the store for both
	greeting, _ := s.landing.Run(r.Context(), u)                 // its behaviours are constants: no error
	s.banner.Publish(r.Context(), u)                             // the browser shows it
	s.show(w, r, "home.html", greeting)
}

// endregion

// signUp makes the visitor a user. From here on the actor is known, and what the
// cookies hold goes over to it.
func (s *shop) signUp(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimSpace(r.FormValue("name"))
	if name == "" || len(name) > 100 {
		http.Error(w, "please tell your name", http.StatusBadRequest)
		return
	}
	u := &user{ID: rand.Text(), Name: name, Staff: r.FormValue("staff") != ""}
	if err := s.landing.Track(r.Context(), u, core.Event{Action: "signed_up"}); err != nil {
		log.Print(err)
	}
	session := rand.Text()
	s.mu.Lock()
	s.sessions[session] = u
	s.mu.Unlock()
	http.SetCookie(w, &http.Cookie{Name: "session", Value: session, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
	select {
	case s.mails <- u:
	default: // the mail queue is full; the user matters more
	}
	http.Redirect(w, r, "/dashboard", http.StatusSeeOther)
}

func (s *shop) signOut(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, &http.Cookie{Name: "session", Path: "/", MaxAge: -1})
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// dashboard shows what belongs to the landing page's promise, to those alone who
// were promised it.
func (s *shop) dashboard(w http.ResponseWriter, r *http.Request) {
	u := s.who(r)
	if u == nil {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	s.show(w, r, "dashboard.html", s.landing.For(u).OnlyAssigned().Publish(r.Context()))
}

func (s *shop) showTesters(w http.ResponseWriter, r *http.Request) {
	links, err := s.testers()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	s.show(w, r, "testers.html", links)
}

// An eventLog is a tracker that keeps the last events, to be looked at.
type eventLog struct {
	mu   sync.Mutex
	last []core.Event
}

const keptEvents = 200

// Track implements core.Tracker.
func (l *eventLog) Track(_ context.Context, e core.Event) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = append(l.last, e)
	if n := len(l.last) - keptEvents; n > 0 {
		l.last = slices.Delete(l.last, 0, n)
	}
	return nil
}

// serve writes the events as JSON, the oldest first.
func (l *eventLog) serve(w http.ResponseWriter, _ *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	_ = enc.Encode(append([]core.Event{}, l.last...))
}
