package unleash_test

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	uc "github.com/Unleash/unleash-client-go/v4"
	"github.com/Unleash/unleash-client-go/v4/api"
	ucontext "github.com/Unleash/unleash-client-go/v4/context"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/internal/servers/realserver"
	"github.com/rolloutkit/rolloutkit/providers/unleash"
)

// A defect of unleash-client-go v4.5.0 that we guard against, or a limit that the
// package comment names. Other tests show the guards. Should a client without
// the defect come, its test fails, and the guard can go.
func TestDefects(t *testing.T) {
	realserver.RequireLong(t, "of what the vendor's client does wrong")
	for name, shows := range map[string]func(*testing.T){
		"an evaluation after Close never returns":       showEvaluationAfterClose,
		"a listener that evaluates stops the client":    showListenerDeadlock,
		"a listener that panics ends the process":       showPanickingListener,
		"a missing parameter panics":                    showMissingParameter,
		"variants that weigh nothing switch toggles on": showMutatedVariant,
		"a backup is named after the app alone":         showSharedBackup,
		"one refusal makes the client pause for long":   showBackOff,
	} {
		t.Run(name, shows)
	}
}

func showEvaluationAfterClose(t *testing.T) {
	client, stop := newClient(t, newFake(t, enabled()).URL, counting, seldom)
	stop()
	returned := make(chan struct{})
	go func() { client.GetVariant("x"); close(returned) }()
	<-client.Count() // sets it free: it waits for ever for somebody to count
	<-returned
}

func showListenerDeadlock(t *testing.T) {
	f := newFake(t, enabled())
	asked, returned := make(chan *uc.Client, 1), make(chan struct{})
	client, _ := newClient(t, f.URL, counting, seldom, uc.WithListener(&evaluator{update: func() {
		(<-asked).GetVariant("x")
		close(returned)
	}}))
	client.WaitForReady()
	f.set(t, enabled(share100()), "")
	asked <- client
	<-client.Count() // the callback waits for itself to count
	<-returned
}

// The process is another one, which runs this test alone.
func showPanickingListener(t *testing.T) {
	const childEnv = "ROLLOUTKIT_TEST_CHILD"
	if os.Getenv(childEnv) != "" {
		f := newFake(t, enabled())
		client, _ := newClient(t, f.URL, uc.WithListener(&evaluator{update: func() { panic("in a listener") }}))
		client.WaitForReady()
		n := f.fetches.Load()
		f.set(t, enabled(), "")
		eventually(t, func() bool { return f.fetches.Load() > n+2 })
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run", "^"+strings.ReplaceAll(t.Name(), "/", "$/^")+"$", "-test.timeout", "1m")
	cmd.Env = append(os.Environ(), childEnv+"=1", "ROLLOUTKIT_REAL=")
	out, err := cmd.CombinedOutput()
	require.Error(t, err, "the process lives on")
	require.Contains(t, string(out), "panic: in a listener")
}

func showMissingParameter(t *testing.T) {
	for name, broken := range missingParameters {
		s := offline(t, enabled(broken), unleash.Options{})
		require.Panics(t, func() { s.client.GetVariant("x") }, name)
	}
}

var missingParameters = map[string]string{
	"stickiness": strategy("flexibleRollout", "rollout=50"),
	"group":      `{"name":"flexibleRollout","parameters":{"rollout":"50","stickiness":"default","groupId":7}}`,
}

func TestMissingParameterIsAnError(t *testing.T) {
	for name, broken := range missingParameters {
		t.Run(name, func(t *testing.T) {
			err := failure(t, offline(t, enabled(broken), unleash.Options{}))
			require.ErrorContains(t, err, `toggle "x": the Unleash client panicked`)
			require.ErrorContains(t, err, "interface conversion")
		})
	}
}

const toggleOff = `,{"name":"off"}`

func showMutatedVariant(t *testing.T) {
	t.Cleanup(mendDisabledVariant)
	s := offline(t, enabled(share100(variants(weightless, "")))+toggleOff, unleash.Options{})
	s.client.GetVariant("x", uc.WithVariantContext(ucontext.Context{UserId: "alice"}))
	require.True(t, s.client.GetVariant("off").Enabled)
	require.True(t, s.client.GetVariant("nowhere").Enabled)
}

// It does no harm to evaluate variants that weigh nothing here, nor here where
// somebody else evaluates them.
func TestVariantsThatWeighNothingDoNoHarm(t *testing.T) {
	t.Cleanup(mendDisabledVariant)
	s := offline(t, enabled(share100(only("alice"), variants(weightless, "")))+toggleOff, unleash.Options{})
	require.NoError(t, failure(t, s))
	require.False(t, api.DISABLED_VARIANT.FeatureEnabled)

	api.DISABLED_VARIANT.Enabled, api.DISABLED_VARIANT.FeatureEnabled = true, true
	require.Equal(t, "conditional *", gets(t, s, "x", "alice"))
	require.Equal(t, "conditional control", gets(t, s, "x", "bob"))
	require.Equal(t, "off", gets(t, s, "off", "alice"))
	_, err := ask(t, s, "nowhere", "alice")
	require.ErrorIs(t, err, core.ErrFlagNotFound)
}

func showSharedBackup(t *testing.T) {
	dir := backup(t, enabled(), "")
	require.FileExists(t, filepath.Join(dir, "unleash-repo-schema-v1-rolloutkit.json"))
	require.NoError(t, failure(t, newSystem(t, nowhere, unleash.Options{}, uc.WithBackupPath(dir))), "a toggle of the first server")
}

// A failing is a listener that hears of errors.
type failing struct {
	uc.NoopListener
	errors chan error
}

func (l *failing) OnError(err error) {
	select {
	case l.errors <- err:
	default:
	}
}

func showBackOff(t *testing.T) {
	l := &failing{errors: make(chan error, 1)}
	_, f := over(t, enabled(), unleash.Options{}, uc.WithListener(unleash.Detach(l)))
	f.answer(http.StatusUnauthorized)
	require.ErrorContains(t, <-l.errors, "backing off to maximum (10.000000 times our interval)")
}
