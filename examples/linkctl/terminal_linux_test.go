package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connectlinks/connectlinks-go/connectlinkstest"
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
			{"\x04", "linkctl: revoke -all asks first, and needs a terminal for that", exitUsage, 3},
		} {
			t.Run(fmt.Sprintf("%s %q", kind, tt.answer), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, kind)
				pt := pseudoterminal.New(t)
				c := w.linkctl("revoke -all -type {type} {in group}")
				cmd := c.process(t)
				cmd.Stdin, cmd.Stderr = pt.Program, pt.Program
				require.NoError(t, cmd.Start())
				question := pt.Until("Type yes: ")
				assert.NotContains(t, question, "auth=")
				assert.Contains(t, steady(question), "105  "+w.typ+"  live")
				assert.Contains(t, question, "Revoke these 3 links of "+w.URL+"? Type yes: ")
				_, err := pt.Person.WriteString(tt.answer)
				require.NoError(t, err)
				stdout, _, code := c.finish(t, cmd)
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
	c := w.linkctl("wait 105")
	cmd := c.process(t)
	cmd.Stderr = pt.Program
	require.NoError(t, cmd.Start())
	assert.Contains(t, steady(pt.Until(" left")), "\rwaiting for the customer with link 105, LEFT left")
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	stdout, _, code := c.finish(t, cmd)
	assert.Empty(t, stdout)
	assert.Equal(t, exitInterrupted, code)
	wiped := strings.Repeat(" ", 70) + "\r"
	assert.Contains(t, pt.Until("linkctl: interrupted"), wiped+"linkctl: interrupted")
}

// verify asks before it sends anything. The server refuses what it sends then, so that it
// ends at once.
func TestVerifyQuestion(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		answer, err string
		code, sent  int
	}{
		{"yes\n", "the token may not do this (status 403)", exitCouldNotTell, 1},
		{"y\n", "linkctl: nothing was made", exitOther, 0},
		{"no\n", "linkctl: nothing was made", exitOther, 0},
		{"\n", "linkctl: nothing was made", exitOther, 0},
		{"\x04", "linkctl: verify asks first, and needs a terminal for that", exitUsage, 0},
		{"ye\x04\x04", "linkctl: verify asks first, and needs a terminal for that", exitUsage, 0},
	} {
		t.Run(fmt.Sprintf("%q", tt.answer), func(t *testing.T) {
			t.Parallel()
			w := newMove(t)
			require.NoError(t, w.Fail(connectlinkstest.Failure{Times: -1, Status: 403, Body: `{"status":403}`}))
			pt := pseudoterminal.New(t)
			c := w.linkctl("verify -type hubspot")
			cmd := c.process(t)
			cmd.Stdin, cmd.Stderr = pt.Program, pt.Program
			require.NoError(t, cmd.Start())
			pt.Program.Close() // only the process writes there
			question := pt.Until("Type yes: ")
			assert.Contains(t, question, "verify makes two links for hubspot at "+w.URL+", looks at them, and revokes them.")
			assert.Contains(t, question, "60 requests")
			assert.Empty(t, w.Requests())
			_, err := pt.Person.WriteString(tt.answer)
			require.NoError(t, err)
			_, _, code := c.finish(t, cmd)
			assert.Equal(t, tt.code, code)
			assert.Contains(t, pt.Until(tt.err), tt.err)
			assert.Len(t, w.Requests(), tt.sent)
		})
	}
}

// Ctrl-C at the question ends the program at once.
func TestVerifyInterruptedAtItsQuestion(t *testing.T) {
	t.Parallel()
	w := newMove(t)
	pt := pseudoterminal.New(t)
	c := w.linkctl("verify -type hubspot")
	cmd := c.process(t)
	cmd.Stdin, cmd.Stderr = pt.Program, pt.Program
	require.NoError(t, cmd.Start())
	pt.Program.Close()
	pt.Until("Type yes: ")
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	_, _, code := c.finish(t, cmd)
	assert.Equal(t, -1, code, "the signal ended it")
	assert.Empty(t, w.Requests())
}

// A question needs a terminal on both sides. A yes from a pipe is not a person's.
func TestVerifyAsksOnlyAtATerminal(t *testing.T) {
	t.Parallel()
	for _, shown := range []bool{false, true} {
		w := newMove(t)
		pt := pseudoterminal.New(t)
		c := w.linkctl("verify -type hubspot")
		cmd := c.process(t)
		cmd.Stdin = pt.Program
		if shown {
			cmd.Stdin, cmd.Stderr = strings.NewReader("yes\n"), pt.Program
		}
		require.NoError(t, cmd.Start())
		pt.Program.Close()
		_, stderr, code := c.finish(t, cmd)
		assert.Equal(t, exitUsage, code)
		const nobody = "linkctl: verify asks first, and needs a terminal for that"
		if shown {
			assert.Contains(t, pt.Until(nobody), nobody)
		} else {
			assert.Contains(t, stderr, nobody)
		}
		assert.Empty(t, w.Requests())
	}
}
