package conformance

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/rolloutkit/rolloutkit/core"
)

const (
	processes    = 4
	processUnits = 200

	// jobEnv is the environment variable that makes a process a worker.
	jobEnv = "ROLLOUTKIT_STORE_JOB"

	// What a worker writes begins with workerMark, since the test binary may
	// write too.
	workerMark  = "rolloutkit store worker: "
	workerReady = workerMark + "ready"
)

// A job is what a worker process does: it claims units of an experiment, one
// after another.
type job struct {
	Test       string // its name, down to the call of RunStore
	Harness    string
	Address    string
	Experiment string
	Variant    string     // that it claims
	Old        core.Entry // that it claims over for every other unit
}

// work makes the process a worker if it was started as one for this harness.
// Then it ends the test.
func (h StoreHarness) work(t *testing.T) {
	t.Helper()
	var j job
	text := os.Getenv(jobEnv)
	if text == "" || json.Unmarshal([]byte(text), &j) != nil || j.Test != t.Name() || j.Harness != h.Name {
		return
	}
	s := h.Join(t, j.Address)
	fmt.Println("\n" + workerReady)
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err == nil { // all are ready
		all, err := j.claims(s)
		if err != nil {
			t.Fatalf("the worker: %v", err)
		}
		text, _ := json.Marshal(all)
		fmt.Printf("\n%s%s\n", workerMark, text)
	}
	t.Skip("this process was a worker")
}

// claims returns what the worker is told of every unit.
func (j *job) claims(s core.Store) ([]told, error) {
	all := make([]told, processUnits)
	for u := range all {
		old := none
		if u%2 == 1 {
			old = j.Old
		}
		var err error
		all[u].Current, all[u].Won, err = s.Claim(context.Background(), j.Experiment, unitKey("unit", u), old, resolved(j.Variant))
		if err != nil {
			return nil, fmt.Errorf("claim of unit %d: %w", u, err)
		}
	}
	return all, nil
}

// processes does the job in several processes at the same time and returns what
// each was told of every unit.
func (s *storeSetup) processes(j job) [processUnits][]told {
	j.Test, j.Harness = s.root, s.harness.Name
	path, err := os.Executable()
	if err != nil {
		abortf("the test binary can't be started again: %v", err)
	}
	only := "^" + strings.ReplaceAll(regexp.QuoteMeta(s.root), "/", "$/^") + "$"
	workers := make([]*worker, processes)
	for p := range workers {
		j.Variant = fmt.Sprintf("process%d", p)
		text, err := json.Marshal(j)
		if err != nil {
			abortf("the job can't be written: %v", err)
		}
		cmd := exec.Command(path, "-test.run="+only, "-test.count=1", "-test.timeout=60s")
		cmd.Env = append(os.Environ(), jobEnv+"="+string(text))
		if workers[p], err = startWorker(cmd); err != nil {
			abortf("a worker process can't be started: %v", err)
		}
		defer workers[p].end()
		s.progress()
	}
	for _, w := range workers {
		w.expect(workerReady)
		s.progress()
	}
	for _, w := range workers {
		fmt.Fprintln(w.in, "go")
	}
	var all [processUnits][]told
	for _, w := range workers {
		var its []told
		text := w.expect(workerMark)
		if err := json.Unmarshal([]byte(text), &its); err != nil || len(its) != processUnits {
			abortf("a worker process answered %q", text)
		}
		for u, t := range its {
			all[u] = append(all[u], t)
		}
		s.progress()
	}
	return all
}

// A worker is a process that does a job.
type worker struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines *bufio.Scanner
	other bytes.Buffer // what it wrote beside
}

func startWorker(cmd *exec.Cmd) (*worker, error) {
	w := &worker{cmd: cmd}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	cmd.Stderr = cmd.Stdout
	if w.in, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	w.lines = bufio.NewScanner(out)
	w.lines.Buffer(nil, 1<<20)
	return w, cmd.Start()
}

// expect returns the rest of the next line that begins with mark.
func (w *worker) expect(mark string) string {
	for w.lines.Scan() {
		if rest, ok := strings.CutPrefix(w.lines.Text(), mark); ok {
			return rest
		}
		w.other.Write(append(w.lines.Bytes(), '\n'))
	}
	abortf("a worker process, %q, ended before it said %q; it wrote\n%s", w.cmd.Args, mark, w.other.Bytes())
	return ""
}

// end lets the process end, so that it cleans up what its test started, and
// waits for it.
func (w *worker) end() {
	w.in.Close()
	for w.lines.Scan() {
	}
	_ = w.cmd.Wait() // what it had to say was said
}
