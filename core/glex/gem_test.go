package glex_test

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os/exec"
	"sync"
	"testing"

	"github.com/rolloutkit/rolloutkit/internal/realserver"
	"github.com/stretchr/testify/require"
)

// A gem is a Ruby process that answers questions with the real gem, see
// testdata/gem.rb.
type gem struct {
	t   *testing.T
	in  *bufio.Writer
	out *bufio.Scanner
}

const theGem = "gitlab-experiment (Ruby)"

// startGem starts the gem, and ends it with the test. Where nobody asks for
// real servers it skips the test. Without Ruby or the gem it skips it too, and
// says so, but fails it where CI is set, so that no build passes without having
// compared.
func startGem(t *testing.T) *gem {
	t.Helper()
	realserver.Require(t, theGem, nil)
	realserver.Require(t, theGem, gemIsThere())
	var stderr bytes.Buffer
	cmd := exec.Command("ruby", gemArgs...)
	cmd.Stderr = &stderr
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	process, err := realserver.Start(cmd)
	require.NoError(t, err)
	t.Cleanup(process.Stop)
	scanner := bufio.NewScanner(out)
	scanner.Buffer(nil, 1<<20)
	g := &gem{t: t, in: bufio.NewWriter(in), out: scanner}
	g.ask([]question{{"ask": "version"}}, func(_ int, a answer) {
		realserver.Ran(theGem, a.Version, fmt.Sprintf("process %d", process.Pid()))
	})
	return g
}

var gemArgs = []string{"-W0", "testdata/gem.rb"}

// gemIsThere returns what is missing. It is asked once and asks nothing.
var gemIsThere = sync.OnceValue(func() error {
	if out, err := exec.Command("ruby", gemArgs...).CombinedOutput(); err != nil {
		return fmt.Errorf("%w %s (Debian has ruby-gitlab-experiment, ruby-actionpack, ruby-globalid and ruby-redis)", err, out)
	}
	return nil
})

// An answer has what the question is about.
type answer struct {
	Version, Text, Name, Key, Variant, Error string
	Older                                    []string
	SetCookie                                []string `json:"set_cookie"`
}

type question map[string]any

// ask asks all questions and hands each answer to check.
func (g *gem) ask(questions []question, check func(i int, a answer)) {
	g.t.Helper()
	written := make(chan error, 1)
	go func() { // while the answers are read, or both sides would block
		e := json.NewEncoder(g.in)
		for _, q := range questions {
			if err := e.Encode(q); err != nil {
				written <- err
				return
			}
		}
		written <- g.in.Flush()
	}()
	for i := range questions {
		require.True(g.t, g.out.Scan(), "the gem ended: %v", g.out.Err())
		var a answer
		require.NoError(g.t, json.Unmarshal(g.out.Bytes(), &a))
		check(i, a)
	}
	require.NoError(g.t, <-written)
}

// unhex returns a text that the gem answered in hex.
func (g *gem) unhex(s string) string {
	b, err := hex.DecodeString(s)
	require.NoError(g.t, err)
	return string(b)
}
