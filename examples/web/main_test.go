package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
)

// A visitor has a browser of their own.
type visitor struct {
	t      *testing.T
	base   string
	client *http.Client
}

func open(t *testing.T) (*shop, func() *visitor) {
	server := httptest.NewUnstartedServer(nil)
	base := "http://" + server.Listener.Addr().String()
	s, err := newShop(base)
	require.NoError(t, err)
	server.Config.Handler = s.handler()
	server.Start()
	t.Cleanup(server.Close)
	return s, func() *visitor {
		jar, err := cookiejar.New(nil)
		require.NoError(t, err)
		return &visitor{t, base, &http.Client{Jar: jar}}
	}
}

func (v *visitor) read(resp *http.Response, err error) string {
	v.t.Helper()
	require.NoError(v.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(v.t, err)
	require.Equal(v.t, http.StatusOK, resp.StatusCode, "%s", body)
	return string(body)
}

func (v *visitor) get(path string) string { return v.read(v.client.Get(v.base + path)) }

func (v *visitor) signUp(name string, staff bool) string {
	form := url.Values{"name": {name}}
	if staff {
		form.Set("staff", "on")
	}
	return v.read(v.client.PostForm(v.base+"/signup", form))
}

var variantShown = regexp.MustCompile(`<b id="variant">(\w+)</b>`)

func (v *visitor) variant() string {
	v.t.Helper()
	page := v.get("/")
	require.Contains(v.t, page, "You are in ")
	found := variantShown.FindStringSubmatch(page)
	require.NotNil(v.t, found)
	return found[1]
}

func (v *visitor) events() (events []core.Event) {
	require.NoError(v.t, json.Unmarshal([]byte(v.get("/events")), &events))
	return events
}

func TestVisitorSignsUp(t *testing.T) {
	s, visit := open(t)
	seen := map[string]bool{}
	for i := 0; i < 12 || len(seen) == 1 && i < 100; i++ { // ids are random
		v := visit()
		first := v.variant()
		seen[first] = true
		require.Equal(t, first, v.variant())
		v.signUp("Anna", false)
		require.Equal(t, first, v.variant())
	}
	require.Greater(t, len(seen), 1, "all got %v", seen)
	require.NotEmpty(t, s.events.last)
}

func TestStaffSeeControlAndSendNothing(t *testing.T) {
	_, visit := open(t)
	v := visit()
	v.signUp("Ida", true)
	require.Equal(t, "control", v.variant())
	require.Contains(t, v.get("/dashboard"), "first of the month")
	require.Empty(t, v.events())
}

func TestTesterForcesEachVariant(t *testing.T) {
	s, visit := open(t)
	links, err := s.testers()
	require.NoError(t, err)
	require.Len(t, links, 3)
	for _, link := range links {
		v := visit()
		v.get(link.URL)
		require.Equal(t, link.Name, v.variant())
		v.signUp("Tess", false)
		require.Equal(t, link.Name, v.variant())
	}
}

func TestMailIsWrittenByAJob(t *testing.T) {
	s, visit := open(t)
	go s.sendMails()
	defer close(s.mails)
	v := visit()
	v.signUp("Anna", false)
	require.Eventually(t, func() bool { s.mu.Lock(); defer s.mu.Unlock(); return len(s.outbox) == 1 }, 10*time.Second, 5*time.Millisecond)
	require.Contains(t, v.get("/outbox"), "Anna,")
	require.Contains(t, v.read(v.client.Get(s.outbox[0].Link)), "How to brew")
	events := v.events()
	last := events[len(events)-1]
	require.Equal(t, "visited", last.Action)
	require.Equal(t, "shop_welcome_mail", last.Experiment)
	require.Equal(t, v.base+"/guide", last.Fields["url"])
}
