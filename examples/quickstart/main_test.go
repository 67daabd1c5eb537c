package main

import (
	"bytes"
	"context"
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
			require.NoError(t, run(context.Background(), tt.args, env(nil), &out, false))
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
			require.NoError(t, run(context.Background(), tt.args, env(vars), &out, true))
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
			assert.ErrorContains(t, run(context.Background(), tt.args, env(tt.vars), &bytes.Buffer{}, false), tt.want)
		})
	}
}

func TestSandboxStaysOpenForSomebody(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	out := &watched{mark: "Ctrl-C ends the sandbox", seen: cancel}
	require.NoError(t, run(ctx, nil, env(nil), out, true))
	assert.Error(t, ctx.Err())
}

// watched calls seen once mark has been written.
type watched struct {
	bytes.Buffer
	mark string
	seen func()
}

func (w *watched) Write(p []byte) (int, error) {
	n, err := w.Buffer.Write(p)
	if bytes.Contains(w.Bytes(), []byte(w.mark)) {
		w.seen()
	}
	return n, err
}
