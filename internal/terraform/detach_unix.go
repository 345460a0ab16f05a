//go:build unix

package terraform

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// errBusy is that a terraform works here.
var errBusy = errors.New("another terraform works here")

// takeBusy locks the file path. The lock belongs to the open file: whoever
// inherits it holds it, too.
func takeBusy(path string) (*os.File, error) { return lockBusy(path, syscall.LOCK_EX) }

// seeBusy locks the file path as any number may that only look: nobody who looks
// is taken for one who works.
func seeBusy(path string) (*os.File, error) { return lockBusy(path, syscall.LOCK_SH) }

func lockBusy(path string, how int) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), how|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = errBusy
		}
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// detach has cmd not hear the terminal's signals, and hold busy.
func detach(cmd *exec.Cmd, busy *os.File) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.ExtraFiles = []*os.File{busy}
}
