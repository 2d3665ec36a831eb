package glex_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/glex"
	"github.com/rolloutkit/rolloutkit/core/glex/glexstore"
	"github.com/rolloutkit/rolloutkit/internal/servers/realserver"
	"github.com/rolloutkit/rolloutkit/internal/servers/redistest"
)

// A gem is a Ruby process that answers questions with the real gem, see
// testdata/gem.rb.
type gem struct {
	t   *testing.T
	in  *bufio.Writer
	out *bufio.Scanner
}

type question map[string]any

// An answer has what the question is about.
type answer struct {
	Version, Key, Variant, Error string
	Older                        []string
	SetCookie                    []string `json:"set_cookie"`
}

const theGem = "gitlab-experiment (Ruby)"

var gemArgs = []string{"-W0", "testdata/gem.rb"}

// gemIsThere returns what is missing. It is asked once and asks nothing.
var gemIsThere = sync.OnceValue(func() error {
	if out, err := exec.Command("ruby", gemArgs...).CombinedOutput(); err != nil {
		return fmt.Errorf("%w %s (Debian has ruby-gitlab-experiment, ruby-actionpack, ruby-globalid and ruby-redis)", err, out)
	}
	return nil
})

// startGem starts the gem, and ends it with the test.
func startGem(t *testing.T) *gem {
	t.Helper()
	realserver.Require(t, theGem, nil)
	realserver.Require(t, theGem, gemIsThere())
	cmd := exec.Command("ruby", gemArgs...)
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	cmd.Stderr = &bytes.Buffer{}
	process, err := realserver.Start(cmd)
	require.NoError(t, err)
	t.Cleanup(process.Stop)
	g := &gem{t: t, in: bufio.NewWriter(in), out: bufio.NewScanner(out)}
	g.out.Buffer(nil, 1<<20)
	realserver.Ran(theGem, g.ask(question{"ask": "version"})[0].Version, fmt.Sprintf("process %d", process.Pid()))
	return g
}

// ask returns the gem's answers.
func (g *gem) ask(questions ...question) []answer {
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
	answers := make([]answer, len(questions))
	for i := range answers {
		require.True(g.t, g.out.Scan(), "the gem ended: %v", g.out.Err())
		require.NoError(g.t, json.Unmarshal(g.out.Bytes(), &answers[i]))
		key, err := hex.DecodeString(answers[i].Key)
		require.NoError(g.t, err)
		answers[i].Key = string(key)
	}
	require.NoError(g.t, <-written)
	return answers
}

// A call is experiment(:pill_color, ...) with some context, in Ruby and in Go.
type call struct {
	ruby   question
	golang glex.Context
}

// A shared is one Redis with two applications on it: the gem, and the core.
type shared struct {
	*gem
	rdb   *redis.Client
	store *glexstore.Store
}

const fullName = "gitlab_pill_color"

// patient is the timeout of a store on a machine that runs other tests too.
const patient = 5 * time.Second

func share(t *testing.T) *shared {
	s := &shared{gem: startGem(t)}
	server := redistest.Start(t)
	s.rdb = redis.NewClient(&redis.Options{Addr: server.Addr, ContextTimeoutEnabled: true})
	t.Cleanup(func() { require.NoError(t, s.rdb.Close()) })
	var err error
	s.store, err = glexstore.New(s.rdb, &glexstore.Options{Timeout: patient})
	require.NoError(t, err)
	require.Empty(t, s.ask(question{"ask": "redis", "url": "redis://" + server.Addr})[0].Error)
	return s
}

// ruby runs the experiment for each call and returns the variants. more adds to
// every question.
func (s *shared) ruby(more question, calls []call) []string {
	s.t.Helper()
	questions := make([]question, len(calls))
	for i, c := range calls {
		questions[i] = question{"ask": "run", "name": "pill_color", "prefix": hexOf("gitlab"), "secret": hexOf(recordedSecret)}
		maps.Copy(questions[i], more)
		maps.Copy(questions[i], c.ruby)
	}
	variants := make([]string, len(calls))
	for i, a := range s.ask(questions...) {
		require.Empty(s.t, a.Error)
		variants[i] = a.Variant
	}
	return variants
}

// golang does the same in Go.
func (s *shared) golang(rollout core.Rollout, calls []call) []string {
	return s.assign(rollout, false, calls)
}

func (s *shared) assign(rollout core.Rollout, stickyControl bool, calls []call) []string {
	s.t.Helper()
	client, err := core.New(core.Config{KeyScheme: glex.Scheme{}, KeySecret: []byte(recordedSecret), InsecureNoSecret: true,
		NamePrefix: "gitlab", Store: s.store})
	require.NoError(s.t, err)
	e, err := core.Define(client, core.Definition[glex.Context, string]{
		Name: "pill_color", Unit: glex.Context.Unit, Rollout: rollout, StickyPolicy: core.ExclusionFirst, StickyControl: stickyControl,
		Variants: []core.Variant[glex.Context, string]{{Name: "red"}, {Name: "blue"}},
	})
	require.NoError(s.t, err)
	variants := make([]string, len(calls))
	for i, c := range calls {
		a := e.Assign(context.Background(), c.golang)
		require.NoError(s.t, a.Err)
		require.False(s.t, a.Degraded)
		variants[i] = a.Variant
	}
	return variants
}

// stored returns the experiment's hash.
func (s *shared) stored() map[string]string {
	s.t.Helper()
	hash, err := s.rdb.HGetAll(context.Background(), fullName).Result()
	require.NoError(s.t, err)
	return hash
}

func (s *shared) clear() {
	s.t.Helper()
	require.NoError(s.t, s.store.Clear(context.Background(), fullName))
	require.Empty(s.t, s.stored())
}
