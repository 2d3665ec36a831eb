package conformance

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/rolloutkit/rolloutkit/core"
)

// A Status says how a law fared.
type Status string

// NotRun is what every law starts with, so that a run of some laws only, as
// with -run, can't look conformant.
const (
	NotRun      Status = "not-run"
	Passed      Status = "passed"
	Failed      Status = "failed"
	Unsupported Status = "unsupported" // the harness opted out, with a reason
)

// A Report says what one implementation can do, and which laws hold for it. It
// has nothing in it that differs from run to run.
type Report struct {
	// Suite is what was tested: "rollout" or "store".
	Suite string `json:"suite"`

	// Name is the harness's.
	Name string `json:"name"`

	// Remote is the harness's reason for I/O in an evaluation.
	Remote string `json:"remote,omitempty"`

	// Capabilities are all that the suite knows, in its order.
	Capabilities []Ability `json:"capabilities"`

	// Laws are all laws of the suite, in its order.
	Laws []Result `json:"laws"`
}

// An Ability says whether an implementation has a capability.
type Ability struct {
	Capability core.Capability `json:"capability"`
	Supported  bool            `json:"supported"`
	Reason     string          `json:"reason,omitempty"` // why not
}

// A Result is how one law fared.
type Result struct {
	Law    string `json:"law"`
	Status Status `json:"status"`

	// Needs are the missing capabilities of a law that is unsupported.
	Needs []core.Capability `json:"needs,omitempty"`
}

// Conformant reports whether every law was run and passed, those apart that the
// harness opted out of. A report of no laws is not conformant.
func (r Report) Conformant() bool {
	for _, res := range r.Laws {
		if res.Status != Passed && res.Status != Unsupported {
			return false
		}
	}
	return len(r.Laws) > 0
}

// ReadReport reads a report that a suite wrote. An error names the file.
func ReadReport(path string) (Report, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Report{}, err
	}
	var r Report
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		return Report{}, fmt.Errorf("%s is no conformance report: %w", path, err)
	}
	return r, nil
}

// write writes r to path, and makes its folder.
func (r Report) write(path string) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(r); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	return os.WriteFile(path, b.Bytes(), 0o666)
}

// updateEnv is the environment variable that rewrites golden files. It is no
// flag of the test binary, since that could collide with one of the tests that
// call the suite.
const updateEnv = "ROLLOUTKIT_UPDATE"

// golden holds r against the golden report in dir, or rewrites that, and
// returns what is wrong and what there is to say. Only a conformant report is
// compared or written.
func (r Report) golden(dir string, update bool) (problem, note string) {
	path := filepath.Join(dir, "conformance-"+r.Name+".json")
	if !r.Conformant() {
		if update {
			return fmt.Sprintf("%s is not written: only a complete run that passes is", path), ""
		}
		return "", fmt.Sprintf("%s is not compared: only a complete run that passes is", path)
	}
	if update {
		if err := r.write(path); err != nil {
			return fmt.Sprintf("the report can't be written: %v", err), ""
		}
		return "", "wrote " + path
	}
	old, err := ReadReport(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Sprintf("no golden report in %s; %s=1 go test writes it", path, updateEnv)
	case err != nil:
		return err.Error(), ""
	}
	if diff := r.differences(old); diff != nil {
		problem = fmt.Sprintf("the report is no longer the one in %s:", path)
		for _, d := range diff {
			problem += "\n\t" + d
		}
		return problem + fmt.Sprintf("\n%s=1 go test rewrites it, if that is meant", updateEnv), ""
	}
	return "", ""
}

// differences returns what r says otherwise than old, nil for nothing.
func (r Report) differences(old Report) []string {
	var diff []string
	was, is := old.statements(), r.statements()
	for _, s := range slices.Concat(was, is) {
		a, b := find(was, s.of), find(is, s.of)
		if line := fmt.Sprintf("%s: was %s, is %s", s.of, a, b); a != b && !slices.Contains(diff, line) {
			diff = append(diff, line)
		}
	}
	return diff
}

// A statement is what a report says of something.
type statement struct{ of, says string }

func (r Report) statements() []statement {
	all := []statement{{"suite", fmt.Sprintf("%q", r.Suite)}, {"name", fmt.Sprintf("%q", r.Name)}, {"remote", fmt.Sprintf("%q", r.Remote)}}
	for _, a := range r.Capabilities {
		says := "supported"
		if !a.Supported {
			says = fmt.Sprintf("unsupported (%s)", a.Reason)
		}
		all = append(all, statement{"capability " + string(a.Capability), says})
	}
	for _, res := range r.Laws {
		says := string(res.Status)
		if len(res.Needs) > 0 {
			says += fmt.Sprintf(" (needs %v)", res.Needs)
		}
		all = append(all, statement{"law " + res.Law, says})
	}
	return all
}

// find returns what is said of something.
func find(statements []statement, of string) string {
	for _, s := range statements {
		if s.of == of {
			return s.says
		}
	}
	return "absent"
}
