package unleashtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// A Toggle is what [Server.Put] makes, in the terms of the admin API.
type Toggle struct {
	Name       string
	Disabled   bool
	Strategies []Strategy // none: the server adds one that selects everybody
	Parents    []Parent

	// Description is written last, so that who sees it sees all the rest.
	Description string
}

// A Strategy selects units.
type Strategy struct {
	Name        string            `json:"name"`
	Parameters  map[string]string `json:"parameters,omitempty"`
	Constraints []Constraint      `json:"constraints,omitempty"`
	Variants    []Variant         `json:"variants,omitempty"`
	Segments    []int             `json:"segments,omitempty"`
}

// A Constraint restricts a strategy.
type Constraint struct {
	Field    string   `json:"contextName"`
	Operator string   `json:"operator"`
	Values   []string `json:"values,omitempty"`
	Value    string   `json:"value,omitempty"`
}

// A Variant is one of a strategy's. Weights are in thousandths and add up to
// 1000 in a strategy.
type Variant struct {
	Name       string `json:"name"`
	Weight     int    `json:"weight"`
	Type       string `json:"weightType"`
	Stickiness string `json:"stickiness"`
}

// A Parent is a toggle that another one depends on.
type Parent struct {
	Feature  string   `json:"feature"`
	Enabled  bool     `json:"enabled"`
	Variants []string `json:"variants,omitempty"`
}

// Gradual returns a strategy that selects a percentage of the units and gives
// them variants by weight, none for none.
func Gradual(toggle string, percent int, variants ...Variant) Strategy {
	if n := len(variants); n > 0 {
		variants[n-1].Type = "variable" // the server wants one that takes the rest
	}
	return Strategy{Name: "flexibleRollout", Variants: variants, Parameters: map[string]string{
		"rollout": strconv.Itoa(percent), "stickiness": "default", "groupId": toggle,
	}}
}

// Weighted returns a variant that takes so many thousandths.
func Weighted(name string, weight int) Variant {
	return Variant{Name: name, Weight: weight, Type: "fix", Stickiness: "default"}
}

// Put makes the server hold exactly toggle, in place of one of that name. The
// server's clients see it after their next poll.
func (s *Server) Put(t testing.TB, toggle Toggle) {
	t.Helper()
	features := "projects/default/features"
	feature := features + "/" + toggle.Name
	here := feature + "/environments/" + environment
	var old struct {
		Environments []struct {
			Name       string
			Enabled    bool
			Strategies []struct{ ID string }
		}
		Dependencies []struct{ Feature string }
	}
	body := map[string]any{"name": toggle.Name, "type": "experiment"}
	if s.admin("GET", feature, nil, &old) != nil {
		s.must(t, "POST", features, body)
	}
	if len(old.Dependencies) > 0 {
		s.must(t, "DELETE", feature+"/dependencies", nil)
	}
	for _, e := range old.Environments {
		if e.Name != environment {
			continue
		}
		if e.Enabled {
			s.must(t, "POST", here+"/off", nil)
		}
		for _, strategy := range e.Strategies {
			s.must(t, "DELETE", here+"/strategies/"+strategy.ID, nil)
		}
	}
	for _, strategy := range toggle.Strategies {
		s.must(t, "POST", here+"/strategies", strategy)
	}
	for _, parent := range toggle.Parents {
		s.must(t, "POST", feature+"/dependencies", parent)
	}
	if !toggle.Disabled {
		s.must(t, "POST", here+"/on", nil)
	}
	body["description"] = toggle.Description
	s.must(t, "PUT", feature, body)
}

// Enable switches a toggle on or off and leaves the rest as it is.
func (s *Server) Enable(t testing.TB, toggle string, enabled bool) {
	t.Helper()
	state := map[bool]string{true: "on", false: "off"}[enabled]
	s.must(t, "POST", "projects/default/features/"+toggle+"/environments/"+environment+"/"+state, nil)
}

// Archive archives a toggle: clients no longer see it.
func (s *Server) Archive(t testing.TB, toggle string) {
	t.Helper()
	s.must(t, "DELETE", "projects/default/features/"+toggle, nil)
}

// Segment creates a segment and returns its number.
func (s *Server) Segment(t testing.TB, name string, constraints ...Constraint) int {
	t.Helper()
	var made struct{ ID int }
	body := map[string]any{"name": name, "description": "", "constraints": constraints}
	require.NoError(t, s.admin("POST", "segments", body, &made))
	return made.ID
}

// Create creates a toggle and returns the server's error, for what it refuses.
func (s *Server) Create(name string) error {
	return s.admin("POST", "projects/default/features", map[string]any{"name": name, "type": "experiment"}, nil)
}

// Refuses returns the error of the server for a toggle's strategy that it does
// not create, nil if it does.
func (s *Server) Refuses(toggle string, strategy Strategy) error {
	return s.admin("POST", "projects/default/features/"+toggle+"/environments/"+environment+"/strategies", strategy, nil)
}

// Metrics returns what the server counted for a toggle in the last hours: yes,
// no, and how often each variant.
func (s *Server) Metrics(t testing.TB, toggle string) (yes, no int, variants map[string]int) {
	t.Helper()
	var answer struct {
		Data []struct {
			Yes, No  int
			Variants map[string]int
		}
	}
	require.NoError(t, s.admin("GET", "client-metrics/features/"+url.PathEscape(toggle)+"/raw?hoursBack=2", nil, &answer))
	variants = map[string]int{}
	for _, d := range answer.Data {
		yes, no = yes+d.Yes, no+d.No
		for name, n := range d.Variants {
			variants[name] += n
		}
	}
	return yes, no, variants
}

func (s *Server) must(t testing.TB, method, path string, body any) {
	t.Helper()
	require.NoError(t, s.admin(method, path, body, nil))
}

// admin calls the admin API. It may be called by one goroutine at a time.
func (s *Server) admin(method, path string, body, into any) error {
	var text bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&text).Encode(body); err != nil {
			return err
		}
	}
	req, err := http.NewRequest(method, s.URL+"admin/"+path, &text)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	answer, err := s.do(req, AdminToken)
	if err != nil || into == nil {
		return err
	}
	return json.Unmarshal(answer, into)
}

// do returns the body of a good answer.
func (s *Server) do(req *http.Request, token string) ([]byte, error) {
	req.Header.Set("Authorization", token)
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: %s: %.2000s", req.Method, req.URL.Path, resp.Status, body)
	}
	return body, err
}
