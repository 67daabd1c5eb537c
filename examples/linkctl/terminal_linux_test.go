package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connectlinks/connectlinks-go/examples/internal/pseudoterminal"
)

func TestQuestion(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		for _, tt := range []struct {
			answer, err string
			code, left  int
		}{
			{"yes\n", "", 0, 0},
			{"y\n", "linkctl: nothing was revoked", exitOther, 3},
			{"\n", "linkctl: nothing was revoked", exitOther, 3},
			{"\x04", "linkctl: revoke -all asks first, and there is nobody to ask", exitUsage, 3},
		} {
			t.Run(fmt.Sprintf("%s %q", kind, tt.answer), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, kind)
				pt := pseudoterminal.New(t)
				cmd := w.linkctl(t, "revoke -all -type {type} {in group}")
				cmd.Stdin, cmd.Stdout, cmd.Stderr = pt.Program, new(bytes.Buffer), pt.Program
				require.NoError(t, cmd.Start())
				question := pt.Until("Type yes: ")
				assert.NotContains(t, question, "auth=")
				assert.Contains(t, steady(question), "105  "+w.typ+"  live")
				assert.Contains(t, question, "Revoke these 3 links of "+w.URL+"? Type yes: ")
				_, err := pt.Person.WriteString(tt.answer)
				require.NoError(t, err)
				stdout, _, code := finish(t, cmd)
				assert.Equal(t, tt.code, code)
				if tt.err != "" {
					assert.Contains(t, pt.Until(tt.err), tt.err)
					assert.Empty(t, stdout)
				} else {
					assert.Contains(t, stdout, "105  "+w.typ+"  revoked")
				}
				alive := 0
				for _, l := range w.Links() {
					if !l.ConnectLink.Revoked {
						alive++
					}
				}
				assert.Equal(t, tt.left, alive)
			})
		}
	}
}

// Only a terminal gets the countdown, and its line is wiped at the end.
func TestCountdownOnTerminal(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "destination")
	pt := pseudoterminal.New(t)
	cmd := w.linkctl(t, "wait 105")
	cmd.Stdout, cmd.Stderr = new(bytes.Buffer), pt.Program
	require.NoError(t, cmd.Start())
	assert.Contains(t, steady(pt.Until(" left")), "\rwaiting for the customer with link 105, LEFT left")
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	stdout, _, code := finish(t, cmd)
	assert.Empty(t, stdout)
	assert.Equal(t, exitInterrupted, code)
	wiped := strings.Repeat(" ", 70) + "\r"
	assert.Contains(t, pt.Until("linkctl: interrupted"), wiped+"linkctl: interrupted")
}
