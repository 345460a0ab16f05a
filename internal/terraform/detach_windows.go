package terraform

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// errBusy is that a terraform works here.
var errBusy = errors.New("another terraform works here")

// takeBusy opens the file path. On Windows terraform cannot hold a lock for
// gmctl; the lock of the state is what keeps two from working at once.
func takeBusy(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
}

// seeBusy is takeBusy.
func seeBusy(path string) (*os.File, error) { return takeBusy(path) }

// detach has cmd not hear the terminal's Ctrl-C.
func detach(cmd *exec.Cmd, _ *os.File) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}
