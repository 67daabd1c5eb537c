package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// pseudoterminal is a terminal at which a test is the person.
type pseudoterminal struct {
	person, program *os.File

	mu   sync.Mutex
	seen bytes.Buffer
	more *sync.Cond
	over bool
}

func newPseudoterminal(t *testing.T) *pseudoterminal {
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip("there are no pseudoterminals here: ", err)
	}
	var locked, number uint32
	for request, arg := range map[uintptr]*uint32{syscall.TIOCSPTLCK: &locked, syscall.TIOCGPTN: &number} {
		_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, person.Fd(), request, uintptr(unsafe.Pointer(arg)))
		require.Zero(t, errno)
	}
	program, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	pt := &pseudoterminal{person: person, program: program}
	pt.more = sync.NewCond(&pt.mu)
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 1024)
		for {
			n, err := person.Read(buf)
			pt.mu.Lock()
			pt.seen.Write(buf[:n])
			pt.over = err != nil
			pt.more.Broadcast()
			pt.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		program.Close() // the person reads its end
		<-done
		person.Close()
	})
	return pt
}

// until waits until the person has seen text, and returns all that was seen.
func (pt *pseudoterminal) until(text string) string {
	pt.mu.Lock()
	defer pt.mu.Unlock()
	for !pt.over && !strings.Contains(pt.seen.String(), text) {
		pt.more.Wait()
	}
	return pt.seen.String()
}

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
				pt := newPseudoterminal(t)
				cmd := w.linkctl(t, "revoke -all -type {type}")
				cmd.Stdin, cmd.Stdout, cmd.Stderr = pt.program, new(bytes.Buffer), pt.program
				require.NoError(t, cmd.Start())
				question := pt.until("Type yes: ")
				assert.NotContains(t, question, "auth=")
				assert.Contains(t, steady(question), "105  "+w.typ+"  live")
				assert.Contains(t, question, "Revoke these 3 links of "+w.URL+"? Type yes: ")
				_, err := pt.person.WriteString(tt.answer)
				require.NoError(t, err)
				stdout, _, code := finish(t, cmd)
				assert.Equal(t, tt.code, code)
				if tt.err != "" {
					assert.Contains(t, pt.until(tt.err), tt.err)
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
	pt := newPseudoterminal(t)
	cmd := w.linkctl(t, "wait 105")
	cmd.Stdout, cmd.Stderr = new(bytes.Buffer), pt.program
	require.NoError(t, cmd.Start())
	assert.Contains(t, steady(pt.until(" left")), "\rwaiting for the customer with link 105, LEFT left")
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	stdout, _, code := finish(t, cmd)
	assert.Empty(t, stdout)
	assert.Equal(t, exitInterrupted, code)
	wiped := strings.Repeat(" ", 70) + "\r"
	assert.Contains(t, pt.until("linkctl: interrupted"), wiped+"linkctl: interrupted")
}
