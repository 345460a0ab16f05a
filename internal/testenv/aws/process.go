//go:build unix

package aws

import (
	"os"
	"os/exec"
	"runtime"
	"syscall"
)

// process is a child in a process group of its own that does not outlive this
// process, however it ends.
type process struct {
	pid  int
	done chan struct{} // closed when it ended and was waited for
}

// startProcess starts cmd with its output in the file log.
func startProcess(cmd *exec.Cmd, log string) (*process, error) {
	output, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = output, output
	cmd.SysProcAttr = ownGroup()
	started := make(chan error)
	p := &process{done: make(chan struct{})}
	go func() {
		// The parent-death signal is tied to the thread that starts the
		// child: this one stays until the child has ended.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer output.Close()
		defer close(p.done)
		err := cmd.Start()
		if err == nil {
			p.pid = cmd.Process.Pid
		}
		started <- err
		if err == nil {
			_ = cmd.Wait() // its log says why it ended
		}
	}()
	return p, <-started
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// kill ends the process group at once and waits for it: the emulator keeps
// nothing that could be lost.
func (p *process) kill() {
	if !p.ended() {
		_ = syscall.Kill(-p.pid, syscall.SIGKILL) // it may end by itself meanwhile
	}
	<-p.done
}
