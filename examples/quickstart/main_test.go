package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/connectlinks/connectlinks-go/connectlinkstest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func env(vars map[string]string) func(string) string {
	return func(name string) string { return vars[name] }
}

func TestSandbox(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		{"destination", nil, "for hubspot:"},
		{"source", []string{"-kind", "source"}, "for postgres:"},
		{"activation", []string{"-kind", "activation"}, "for hubspot:"},
		{"type", []string{"-type", "salesforce", "-redirect-uri", "http://localhost:3000/done"}, "for salesforce:"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			require.NoError(t, run(context.Background(), tt.args, env(nil), nil, &out))
			assert.Contains(t, out.String(), "embedded sandbox")
			assert.Contains(t, out.String(), tt.want)
			assert.Contains(t, out.String(), "/pbc?auth=")
			assert.Regexp(t, `It expires on .*, in 24h0m0s\.`, out.String())
		})
	}
}

func TestRealService(t *testing.T) {
	srv := connectlinkstest.NewServer()
	defer srv.Close()
	for _, tt := range []struct {
		name, token string
		args        []string
	}{
		{"destination", "CENSUS_API_TOKEN", nil},
		{"activation", "CENSUS_PERSONAL_ACCESS_TOKEN", []string{"-kind", "activation", "-group", srv.Group()}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			token := map[string]string{"CENSUS_API_TOKEN": srv.Token(), "CENSUS_PERSONAL_ACCESS_TOKEN": srv.PersonalToken()}[tt.token]
			before := len(srv.Links())
			var out bytes.Buffer
			vars := map[string]string{"CENSUS_BASE_URL": srv.URL, tt.token: token}
			require.NoError(t, run(context.Background(), tt.args, env(vars), strings.NewReader(""), &out))
			assert.NotContains(t, out.String(), "sandbox")
			assert.NotContains(t, out.String(), token)
			assert.Len(t, srv.Links(), before+1)
		})
	}
}

func TestErrors(t *testing.T) {
	srv := connectlinkstest.NewServer()
	defer srv.Close()
	for _, tt := range []struct {
		name string
		args []string
		vars map[string]string
		want string
	}{
		{"kind", []string{"-kind", "sink"}, nil, `-kind "sink": want destination, source or activation`},
		{"type", []string{"-type", "nope"}, nil, "422"},
		{"redirect", []string{"-redirect-uri", "/done"}, nil, "RedirectURI must be an absolute http:// or https:// URL"},
		{"token", nil, map[string]string{"CENSUS_BASE_URL": srv.URL, "CENSUS_API_TOKEN": "wrong"}, "401 Unauthorized"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			assert.ErrorContains(t, run(context.Background(), tt.args, env(tt.vars), nil, &bytes.Buffer{}), tt.want)
		})
	}
}

// A process whose input is a pipe ends, although nobody closes the pipe.
func TestEndsAtOnceWithoutTerminal(t *testing.T) {
	pipe, open, err := os.Pipe()
	require.NoError(t, err)
	defer pipe.Close()
	defer open.Close()
	null, err := os.Open(os.DevNull)
	require.NoError(t, err)
	defer null.Close()
	for _, in := range []*os.File{pipe, null} {
		cmd := process(t)
		cmd.Stdin = in
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		assert.Contains(t, string(out), "The sandbox and its link live as long as this program.")
		assert.NotContains(t, string(out), "Enter")
	}
}

func TestFlagsSayWhichVersionOfTheAPI(t *testing.T) {
	out, err := process(t, "-h").CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Contains(t, string(out), "destination or source, by API V1;")
	assert.Contains(t, string(out), "or activation, by API V2")
}

// TestMain runs the program itself in the processes of [process].
func TestMain(m *testing.M) {
	if os.Getenv("QUICKSTART_TEST_PROCESS") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// process returns quickstart as a process, without the environment's tokens.
func process(t *testing.T, args ...string) *exec.Cmd {
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Env = []string{"QUICKSTART_TEST_PROCESS=1"}
	return cmd
}
