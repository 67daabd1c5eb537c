// Package pseudoterminal runs programs at a terminal, with a test in place of the person.
package pseudoterminal

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// Terminal has one end for the person, and one for the program.
type Terminal struct {
	Person, Program *os.File

	mu    sync.Mutex
	more  *sync.Cond
	seen  bytes.Buffer
	ended bool
}

// New opens a terminal until the test ends. It skips the test if the machine has none.
func New(t *testing.T) *Terminal {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip("there are no pseudoterminals here: ", err)
	}
	var unlock, number uint32
	for request, arg := range map[uintptr]*uint32{syscall.TIOCSPTLCK: &unlock, syscall.TIOCGPTN: &number} {
		_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, person.Fd(), request, uintptr(unsafe.Pointer(arg)))
		require.Zero(t, errno)
	}
	program, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	term := &Terminal{Person: person, Program: program}
	term.more = sync.NewCond(&term.mu)
	done := make(chan struct{})
	go func() {
		defer close(done)
		term.read()
	}()
	t.Cleanup(func() {
		program.Close() // so that reads at the other end fail
		<-done
		person.Close()
	})
	return term
}

// read collects what the program writes.
func (term *Terminal) read() {
	buf := make([]byte, 1024)
	for {
		n, err := term.Person.Read(buf)
		term.mu.Lock()
		term.seen.Write(buf[:n])
		term.ended = err != nil
		term.more.Broadcast()
		term.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// Until waits until the program has written text. It returns all that was written.
func (term *Terminal) Until(text string) string {
	term.mu.Lock()
	defer term.mu.Unlock()
	for !term.ended && !strings.Contains(term.seen.String(), text) {
		term.more.Wait()
	}
	return term.seen.String()
}
