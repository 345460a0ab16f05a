//go:build unix

package process

import (
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
)

// Process is a child in a process group of its own that does not outlive this
// process, however it ends.
type Process struct {
	pid  int
	log  string
	done chan struct{} // closed when it ended and was waited for
	code int           // once done is closed
}

// Start starts cmd with its output appended to the file log.
func Start(cmd *exec.Cmd, log string) (*Process, error) {
	output, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = output, output
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	ownGroup(cmd.SysProcAttr)
	started := make(chan error)
	p := &Process{log: log, done: make(chan struct{})}
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
			p.code = cmd.ProcessState.ExitCode()
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// PID is the process's id, which is its group's too.
func (p *Process) PID() int { return p.pid }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Ended reports whether the process has ended.
func (p *Process) Ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// ExitCode waits for the process and returns what it ended with, -1 for one that was
// killed.
func (p *Process) ExitCode() int {
	<-p.done
	return p.code
}

// Terminate asks the process to end.
func (p *Process) Terminate() error { return syscall.Kill(-p.pid, syscall.SIGTERM) }

// Kill ends the process group at once, as a power cut would, and waits for it.
func (p *Process) Kill() {
	if !p.Ended() {
		_ = syscall.Kill(-p.pid, syscall.SIGKILL) // it may end by itself meanwhile
	}
	<-p.done
}

// Pause stops the process without closing its connections; Resume lets it go on.
func (p *Process) Pause() error { return syscall.Kill(-p.pid, syscall.SIGSTOP) }

// Resume undoes Pause.
func (p *Process) Resume() error { return syscall.Kill(-p.pid, syscall.SIGCONT) }

// LogTail returns the last n lines of the process's output.
func (p *Process) LogTail(n int) string { return FileTail(p.log, n) }

// FileTail returns the last n lines of a log, or why there are none.
func FileTail(path string, n int) string {
	content, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return LastLines(string(content), n)
}

// LastLines returns the end of a text.
func LastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
