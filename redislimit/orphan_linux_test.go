package redislimit_test

import (
	"os/exec"
	"syscall"
)

// dieWithTheTest ends a command also when the test ends by a panic or a timeout.
func dieWithTheTest(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
