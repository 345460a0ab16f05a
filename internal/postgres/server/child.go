package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"time"
)

// child is a process of PostgreSQL that dies with this one.
type child struct {
	process *os.Process
	done    chan struct{} // closed when the process has ended; err is then set
	err     error
	drained chan struct{} // closed when all that the process and its own children wrote is read
	log     *tailWriter
}

// spawn starts a program of PostgreSQL as the account, with its output going to
// log, in a process group of its own so that a terminal's Ctrl-C does not reach it.
func spawn(account account, log io.Writer, stdin io.Reader, path string, arguments ...string) (*child, error) {
	reader, writer, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(path, arguments...)
	cmd.Dir = string(os.PathSeparator) // this process's own may be closed to the account
	cmd.Env = environment()
	cmd.Stdin = stdin
	cmd.Stdout, cmd.Stderr = writer, writer
	cmd.SysProcAttr = processAttributes(account)
	c := &child{done: make(chan struct{}), drained: make(chan struct{}), log: &tailWriter{to: log}}
	started := make(chan error)
	go func() {
		// The kernel tells the child of its parent's death when the thread that
		// started it ends: so this one lives as long as the child.
		runtime.LockOSThread()
		err := cmd.Start()
		writer.Close()
		c.process = cmd.Process
		started <- err
		if err != nil {
			return
		}
		c.err = cmd.Wait()
		close(c.done)
	}()
	if err := <-started; err != nil {
		reader.Close()
		return nil, err
	}
	go func() {
		defer close(c.drained)
		_, _ = io.Copy(c.log, reader) // ends with the last process that holds the other end
		reader.Close()
	}()
	return c, nil
}

// environment is this process's without what would change PostgreSQL's behaviour.
func environment() []string {
	kept := []string{"LC_ALL=C", "TZ=UTC"}
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		if !strings.HasPrefix(name, "PG") && !strings.HasPrefix(name, "LC_") && name != "LANG" && name != "TZ" {
			kept = append(kept, variable)
		}
	}
	return kept
}

func (c *child) pid() int { return c.process.Pid }

// drain waits until everything the process wrote has been read, at most for
// the given time: a process of its own may outlive it by a little.
func (c *child) drain(most time.Duration) {
	select {
	case <-c.drained:
	case <-time.After(most):
	}
}

func (c *child) tail() []string { return c.log.lines() }

func (c *child) lastLine() string {
	if lines := c.tail(); len(lines) > 0 {
		return lines[len(lines)-1]
	}
	return "it has said nothing yet"
}

// stop ends the process, the gentle way first.
func (c *child) stop(ctx context.Context) error {
	steps := []struct {
		signal os.Signal
		wait   time.Duration
	}{{fast, fastShutdown}, {immediate, immediateShutdown}, {os.Kill, immediateShutdown}}
	for _, step := range steps {
		select {
		case <-c.done:
			c.drain(time.Second)
			return nil
		default:
		}
		if err := c.process.Signal(step.signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return problemOf(fmt.Sprintf("PostgreSQL (pid %d) cannot be stopped", c.pid()), err)
		}
		impatient := ctx.Done()
		if step.signal != fast {
			impatient = nil
		}
		select {
		case <-c.done:
		case <-time.After(step.wait):
		case <-impatient:
		}
	}
	select {
	case <-c.done:
		c.drain(time.Second)
		return nil
	default:
		return problemOf(fmt.Sprintf("PostgreSQL (pid %d) does not stop", c.pid()), errors.New("it was killed and is still there"))
	}
}

// tailWriter passes on what is written and remembers the last lines.
type tailWriter struct {
	to io.Writer

	mu      sync.Mutex
	kept    []string
	partial []byte
}

// tailLines is how many lines are kept to explain a failure.
const tailLines = 60

func (w *tailWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	rest := append(w.partial, p...)
	for {
		line, after, found := bytes.Cut(rest, []byte("\n"))
		if !found {
			break
		}
		w.kept = append(w.kept, string(line))
		rest = after
	}
	w.partial = bytes.Clone(rest)
	if extra := len(w.kept) - tailLines; extra > 0 {
		w.kept = w.kept[extra:]
	}
	w.mu.Unlock()
	// A log that cannot be written must not stop the server.
	_, _ = w.to.Write(p)
	return len(p), nil
}

func (w *tailWriter) lines() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	lines := append([]string(nil), w.kept...)
	if len(w.partial) > 0 {
		lines = append(lines, string(w.partial))
	}
	return lines
}
