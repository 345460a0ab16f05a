package terraform

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/gamemetrics/gmctl/internal/engine"
)

// The files of an apply, in the workspace's folder.
const (
	messagesFile = "apply.jsonl"  // what terraform says
	stderrFile   = "apply.stderr" // what it says when it cannot even start
	runFile      = "apply.json"   // who it is; gone when it succeeded
	halfFile     = "apply.half"   // there until an apply has succeeded
	busyFile     = "apply.lock"   // locked by terraform itself, as long as it lives
)

// started is the record of an apply that has begun.
type started struct {
	PID   int       `json:"pid"`
	At    time.Time `json:"at"`
	Ended time.Time `json:"ended,omitzero"` // by itself, with an error
}

// run starts terraform, follows what it says until it ends, and returns how it
// ended. It is not killed when gmctl is: it writes to files, in a process group
// of its own, and holds a lock by which the next gmctl knows it.
func (w *Workspace) run(ctx context.Context, args []string, messages io.Writer) error {
	busy, err := w.becomeBusy(ctx)
	if err != nil {
		return err
	}
	defer busy.Close()
	output, err := os.OpenFile(filepath.Join(w.Dir, messagesFile), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer output.Close()
	stderr, err := os.OpenFile(filepath.Join(w.Dir, stderrFile), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer stderr.Close()
	cmd := exec.Command(w.Binary.Path, args...) // a context would kill it
	cmd.Dir, cmd.Stdout, cmd.Stderr = w.root(), output, stderr
	for name, value := range w.environ() {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	cmd.Env = append(cmd.Env, "TF_IN_AUTOMATION=1")
	detach(cmd, busy)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err := replaceFile(filepath.Join(w.Dir, halfFile), []byte("the last apply has not succeeded\n")); err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	run := started{PID: cmd.Process.Pid, At: time.Now().UTC()}
	if err := w.record(run); err != nil {
		_ = cmd.Process.Signal(os.Interrupt) // it has hardly begun
		return errors.Join(err, cmd.Wait())
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	return w.ended(run, w.follow(ctx, cmd.Process, ended, messages))
}

// becomeBusy takes the lock of the one who works here. Who only looks has it for a
// moment.
func (w *Workspace) becomeBusy(ctx context.Context) (*os.File, error) {
	for deadline := time.Now().Add(time.Second); ; {
		busy, err := takeBusy(filepath.Join(w.Dir, busyFile))
		if !errors.Is(err, errBusy) || time.Now().After(deadline) {
			return busy, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// unfinished reports whether the last apply did not succeed.
func (w *Workspace) unfinished() bool {
	_, err := os.Stat(filepath.Join(w.Dir, halfFile))
	return err == nil
}

// forget removes a file of an apply that is not needed any more.
func (w *Workspace) forget(file string) error {
	if err := os.Remove(filepath.Join(w.Dir, file)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (w *Workspace) record(run started) error {
	text, err := json.Marshal(run)
	if err != nil {
		return err
	}
	return replaceFile(filepath.Join(w.Dir, runFile), text)
}

// follow copies what terraform says until it has ended. When ctx is done it is
// interrupted.
func (w *Workspace) follow(ctx context.Context, process *os.Process, ended <-chan error, messages io.Writer) error {
	said, err := os.Open(filepath.Join(w.Dir, messagesFile))
	if err != nil {
		return errors.Join(err, <-ended)
	}
	defer said.Close()
	interrupt := ctx.Done()
	var grace <-chan time.Time
	for kills := 0; ; {
		if _, err := io.Copy(messages, said); err != nil {
			return errors.Join(err, <-ended)
		}
		select {
		case err := <-ended:
			_, copyErr := io.Copy(messages, said)
			return errors.Join(err, copyErr)
		case <-interrupt:
			interrupt = nil
			_ = process.Signal(os.Interrupt) // it may have ended meanwhile
			grace = time.After(w.Grace)
		case <-grace:
			// A second interrupt ends terraform at once, with what it has.
			if kills++; kills > 1 {
				_ = process.Kill()
			} else {
				_ = process.Signal(os.Interrupt)
			}
			grace = time.After(min(w.Grace, 10*time.Second))
		case <-time.After(w.Poll):
		}
	}
}

// ended explains how terraform ended, and keeps record of all but a success:
// one that was killed or that its backend failed leaves its lock on the state.
func (w *Workspace) ended(run started, err error) error {
	if err == nil {
		return errors.Join(w.forget(runFile), w.forget(halfFile))
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() < 0 {
		return fmt.Errorf("terraform was killed: %w", err)
	}
	run.Ended = time.Now().UTC()
	if text, readErr := os.ReadFile(filepath.Join(w.Dir, stderrFile)); readErr == nil && len(text) > 0 {
		err = fmt.Errorf("%w: %s", err, lastLine(string(text)))
	}
	return errors.Join(err, w.record(run))
}

// AtWork returns the process of an apply that an earlier gmctl has started and
// that still runs, or 0.
func (w *Workspace) AtWork() (pid int, err error) { return AtWork(w.Dir) }

// AtWork is Workspace.AtWork of the workspace in dir, which need not be there.
func AtWork(dir string) (pid int, err error) {
	busy, err := seeBusy(filepath.Join(dir, busyFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return 0, nil
	case err == nil:
		return 0, busy.Close()
	case !errors.Is(err, errBusy):
		return 0, err
	}
	run, err := lastRun(dir)
	return run.PID, err
}

// lastRun returns the record of the last apply in the workspace in dir, if that
// did not succeed.
func lastRun(dir string) (started, error) {
	var run started
	text, err := os.ReadFile(filepath.Join(dir, runFile))
	if err != nil {
		return run, err
	}
	return run, json.Unmarshal(text, &run)
}

// Await follows an apply that an earlier gmctl has started, if there is one,
// and returns when it has ended. How it ended cannot be learned: it counts as
// killed until the next plan sees that nothing is left to do. When ctx is done
// it is interrupted.
func (w *Workspace) Await(ctx context.Context, report engine.Reporter) error {
	pid, err := w.AtWork()
	if err != nil || pid == 0 {
		return err
	}
	report.Report(engine.Update{Kind: engine.UpdateWaiting, Message: fmt.Sprintf("the terraform of an earlier run to finish (process %d)", pid)})
	process, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for {
			if busy, err := seeBusy(filepath.Join(w.Dir, busyFile)); !errors.Is(err, errBusy) {
				if err == nil {
					err = busy.Close()
				}
				ended <- err
				return
			}
			select {
			case <-stop:
				return
			case <-time.After(w.Poll):
			}
		}
	}()
	progress := &progress{report: report}
	if err := w.follow(ctx, process, ended, &stream{Each: progress.take}); err != nil {
		return err
	}
	return ctx.Err()
}
