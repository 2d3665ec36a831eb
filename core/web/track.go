package web

import (
	"encoding/json"
	"errors"
	"io"
	"math"
	"mime"
	"net/http"
	"slices"
	"time"

	"github.com/rolloutkit/rolloutkit/core"
)

// A clientEvent is what the page's JavaScript posts.
type clientEvent struct {
	Experiment, Key, Token, Action string
	Value                          float64
	Label, Property                string
}

// Bounds of a client event, in bytes, and of the time after which a page can't
// send one any more.
const (
	maxEventBody = 4 << 10
	maxAction    = 100
	maxText      = 500
	maxTokenAge  = 24 * time.Hour
)

// eventToken returns what a page presents to track events of the assignment. It
// carries the entry, since for a new visitor nothing is stored.
func (s *Site) eventToken(a *core.Assignment) string {
	e := core.Entry{Variant: a.Variant, Previous: a.Previous, Origin: a.Origin}
	return s.signer.signPayload(core.Visitor{Entry: e}, signsEvent, a.Experiment, a.Key)
}

// serveTrack takes an event from a page: from the same origin or one of
// Config.Origins, with the token that the page was given. It answers 204, or
// 202 where the event is not taken for the visitor's or the app's reasons.
func (s *Site) serveTrack(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	vary(h, "Origin")
	origin := r.Header.Get("Origin")
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
	// Browsers say where a POST comes from. Check lets requests pass that don't.
	unsaid := origin == "" && r.Header.Get("Sec-Fetch-Site") == ""
	if unsaid || s.origins.Check(r) != nil {
		http.Error(w, "this page may not send events", http.StatusForbidden)
		return
	}
	posted, status := readEvent(w, r)
	if status != 0 {
		http.Error(w, http.StatusText(status), status)
		return
	}
	page, ok := s.signer.verifyPayload(posted.Token, maxTokenAge, signsEvent, posted.Experiment, posted.Key)
	if !ok {
		http.Error(w, "the token is not valid", http.StatusForbidden)
		return
	}
	event := core.Event{Action: posted.Action, Value: posted.Value, Label: posted.Label, Property: posted.Property}
	if s.silent(r) || !s.wants(r, posted.Experiment, &event) {
		w.WriteHeader(http.StatusAccepted)
		return
	}
	if err := s.client.TrackEntry(r.Context(), posted.Experiment, posted.Key, page.Entry, event); err != nil {
		s.logUntracked(r.Context(), "client", posted.Experiment, err)
		w.WriteHeader(http.StatusAccepted)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// wants asks Config.ClientEvent.
func (s *Site) wants(r *http.Request, experiment string, ev *core.Event) bool {
	ask := s.cfg.ClientEvent
	return ask == nil || callSafely(s, "ClientEvent", false, func() bool { return ask(r.Context(), experiment, ev) })
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
