package web

import (
	"encoding/json"
	"errors"
	"io"
	"math"
	"mime"
	"net/http"
	"net/url"
	"slices"

	"github.com/rolloutkit/rolloutkit/core"
)

// A clientEvent is what the page's JavaScript posts.
type clientEvent struct {
	Experiment, Key, Token, Action string
	Value                          float64
	Label, Property                string
}

// Bounds of a client event, in bytes.
const (
	maxEventBody = 4 << 10
	maxAction    = 100
	maxText      = 500
)

// serveTrack takes an event from a page: from the same origin or one of
// Config.Origins, with the token that the page was given. It answers 204, or
// 202 where the event is not taken for the visitor's or the app's reasons.
func (s *Site) serveTrack(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	vary(h, "Origin")
	origin := r.Header.Get("Origin")
	if !s.fromOurPage(r, origin) {
		http.Error(w, "this page may not send events", http.StatusForbidden)
		return
	}
	if slices.Contains(s.cfg.Origins, origin) {
		h.Set("Access-Control-Allow-Origin", origin)
		if r.Method == http.MethodOptions {
			h.Set("Access-Control-Allow-Headers", "Content-Type")
			w.WriteHeader(http.StatusNoContent)
			return
		}
	}
	if r.Method != http.MethodPost {
		h.Set("Allow", "POST")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	ev, status := readEvent(w, r)
	if status != 0 {
		http.Error(w, http.StatusText(status), status)
		return
	}
	known, ok := s.opened(ev.Token, tokenAge, signsEvent, ev.Experiment, ev.Key)
	if !ok {
		http.Error(w, "the token is not valid", http.StatusForbidden)
		return
	}
	event := core.Event{Action: ev.Action, Value: ev.Value, Label: ev.Label, Property: ev.Property}
	wanted := s.cfg.ClientEvent
	if s.silent(r) || wanted != nil && !s.asked("ClientEvent", false, func() bool { return wanted(r.Context(), ev.Experiment, &event) }) {
		w.WriteHeader(http.StatusAccepted)
		return
	}
	if err := s.client.TrackEntry(r.Context(), ev.Experiment, ev.Key, known.Entry, event); err != nil {
		s.untracked(r.Context(), "client", ev.Experiment, err)
		w.WriteHeader(http.StatusAccepted)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// fromOurPage reports whether a page of this host, or of Config.Origins, sends
// the request. Browsers add Origin to every POST.
func (s *Site) fromOurPage(r *http.Request, origin string) bool {
	if slices.Contains(s.cfg.Origins, origin) {
		return true
	}
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" {
		return false
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && u.Host == r.Host
}

// readEvent reads the body; a status other than 0 says why it can't be one.
func readEvent(w http.ResponseWriter, r *http.Request) (ev clientEvent, status int) {
	if media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); media != "application/json" {
		return ev, http.StatusUnsupportedMediaType
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxEventBody))
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		return ev, http.StatusRequestEntityTooLarge
	}
	if err != nil || json.Unmarshal(body, &ev) != nil || ev.Action == "" || ev.Action == core.ActionAssignment ||
		math.IsInf(ev.Value, 0) || len(ev.Action) > maxAction || len(ev.Label) > maxText || len(ev.Property) > maxText {
		return ev, http.StatusBadRequest
	}
	return ev, 0
}
