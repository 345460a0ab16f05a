package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/shirou/gopsutil/v4/process"

	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/paths"
	"github.com/gamemetrics/gmctl/internal/postgres/server"
	"github.com/gamemetrics/gmctl/internal/problem"
)

// ErrNotRunning says that no supervisor runs, ErrNoAnswer that one runs and cannot
// be asked.
var (
	ErrNotRunning = errors.New("the supervisor is not running")
	ErrNoAnswer   = errors.New("it gave no answer")
)

// How long a call may take. The supervisor answers from what it knows, with
// figures after queries of figuresTimeout each; a component takes its time to stop.
const (
	answerTimeout = 5 * time.Second
	stopTimeout   = stopGrace + 5*time.Second
)

// Client talks to the supervisor of one environment.
type Client struct {
	dirs paths.Dirs
	http *http.Client
}

// NewClient returns a client of the environment that lives in dirs.
func NewClient(dirs paths.Dirs) *Client {
	return &Client{dirs: dirs, http: &http.Client{}}
}

// Alive reports whether a supervisor runs: whether its lock is held.
func (c *Client) Alive() (bool, error) {
	return isHeld(lockPath(c.dirs))
}

// Snapshot is what the supervisor says of itself.
type Snapshot struct {
	PID        int
	Boot       string // id of this run of the supervisor
	SpecHash   string
	Since      time.Time
	components []Status
}

// Component returns the status of the component called name.
func (s Snapshot) Component(name string) Status {
	for _, c := range s.components {
		if c.Name == name {
			return c
		}
	}
	return Status{Name: name, State: engine.StateAbsent}
}

// Snapshot asks the supervisor for its state; figures cost a few queries. It
// returns ErrNotRunning where there is none.
func (c *Client) Snapshot(ctx context.Context, figures bool) (Snapshot, error) {
	path := "/v1/status"
	if figures {
		path += "?figures=1"
	}
	body, err := c.do(ctx, http.MethodGet, path, answerTimeout)
	if err != nil {
		return Snapshot{}, err
	}
	var answer report
	if err := json.Unmarshal(body, &answer); err != nil {
		return Snapshot{}, fmt.Errorf("the supervisor's answer: %w", err)
	}
	return Snapshot{PID: answer.PID, Boot: answer.Boot, SpecHash: answer.SpecHash, Since: answer.Since, components: answer.Components}, nil
}

// Start has the supervisor start a component, and waits until it is ready. What
// it waits for is reported. A component that keeps failing ends the wait when
// it has failed three times, with its problem.
func (c *Client) Start(ctx context.Context, name string, report engine.Reporter) error {
	if _, err := c.do(ctx, http.MethodPost, "/v1/components/"+name+"/start", answerTimeout); err != nil {
		return err
	}
	const poll = 10 * time.Millisecond
	said, failures := "", -1
	for {
		snapshot, err := c.Snapshot(ctx, false)
		if err != nil {
			return err
		}
		status := snapshot.Component(name)
		switch {
		case status.State == engine.StateReady || status.State == engine.StateDegraded:
			return nil
		case failures < 0:
			failures = status.Restarts
		case status.Restarts >= failures+3 && status.Problem != nil:
			return status.Problem.Error()
		}
		if update := updateOf(status); update.Message != said {
			said = update.Message
			report.Report(update)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(poll):
		}
	}
}

func updateOf(s Status) engine.Update {
	if s.Problem != nil {
		return engine.Update{Kind: engine.UpdateWarning, Message: fmt.Sprintf("attempt %d failed: %v", s.Restarts, s.Problem.Error())}
	}
	message := s.Message
	if message == "" {
		message = "starting"
	}
	return engine.Update{Kind: engine.UpdateProgress, Message: message}
}

// Stop has the supervisor stop a component, and waits until it has. A supervisor
// that does not answer is ended by force, and the component with it.
func (c *Client) Stop(ctx context.Context, name string, report engine.Reporter) error {
	_, err := c.Snapshot(ctx, false)
	if err == nil {
		_, err = c.do(ctx, http.MethodPost, "/v1/components/"+name+"/stop", stopTimeout)
	}
	switch {
	case errors.Is(err, ErrNotRunning):
		return awaitDataLeft(ctx, c.dirs)
	case errors.Is(err, ErrNoAnswer):
		return c.end(ctx, report, err)
	}
	return err
}

// Shutdown ends the supervisor with all its components and waits until its
// process is gone. A supervisor that does not answer is ended by force, one that
// does not come to an end after stopGrace; PostgreSQL then shuts down by itself.
func (c *Client) Shutdown(ctx context.Context, report engine.Reporter) error {
	_, err := c.do(ctx, http.MethodPost, "/v1/shutdown", answerTimeout)
	switch {
	case errors.Is(err, ErrNotRunning):
		return nil
	case errors.Is(err, ErrNoAnswer):
		return c.end(ctx, report, err)
	case err != nil:
		return err
	}
	report.Report(engine.Update{Kind: engine.UpdateWaiting, Message: "the supervisor to stop its components", Usually: 500 * time.Millisecond})
	gone, err := c.awaitEnd(ctx)
	if gone || err != nil {
		return err
	}
	return c.end(ctx, report, errors.New("the supervisor does not stop"))
}

// end ends the supervisor's process by force, and says why.
func (c *Client) end(ctx context.Context, report engine.Reporter, why error) error {
	alive, err := c.Alive()
	if err != nil || !alive {
		return err
	}
	record, err := readRecord(c.dirs)
	if err != nil {
		return err
	}
	report.Report(engine.Update{Kind: engine.UpdateWarning, Message: why.Error() + "; ending its process"})
	if err := kill(record.PID); err != nil {
		return fmt.Errorf("end the supervisor, process %d: %w", record.PID, err)
	}
	gone, err := c.awaitEnd(ctx)
	if !gone && err == nil {
		return &problem.Error{What: fmt.Sprintf("the supervisor, process %d, does not end", record.PID), Next: fmt.Sprintf("see what holds it: ps -fp %d", record.PID)}
	}
	return err
}

// awaitEnd waits until no supervisor runs; it returns false after stopGrace.
func (c *Client) awaitEnd(ctx context.Context) (gone bool, err error) {
	for deadline := time.Now().Add(stopGrace); ; {
		alive, err := c.Alive()
		if err != nil || !alive {
			return !alive, err
		}
		if time.Now().After(deadline) {
			return false, nil
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// ProveGone returns nil where no process of the environment is left: no
// supervisor, and no PostgreSQL that works in the directory. The ports that they
// had are then free: the kernel closes them with their process.
func (c *Client) ProveGone(postgres string) error {
	alive, err := c.Alive()
	if err != nil {
		return err
	}
	if alive {
		last, err := readRecord(c.dirs)
		return &problem.Error{What: fmt.Sprintf("the supervisor, process %d, still runs", last.PID), Cause: err, Next: "run again: gmctl teardown"}
	}
	if held, err := isHeld(dataLockPath(c.dirs)); err != nil || held {
		return errors.Join(err, stillWorks(c.dirs))
	}
	if left := server.ProcessesOf(postgres); len(left) > 0 {
		return &problem.Error{What: fmt.Sprintf("PostgreSQL still works in %s, process %d", postgres, left[0]), Next: "run again: gmctl teardown"}
	}
	return nil
}

// do calls the control API and waits for its answer that long. It returns
// ErrNotRunning where no supervisor holds the lock, whatever an old record says,
// and ErrNoAnswer in a problem where one does not answer. A supervisor that is
// just dying, or just starting, is looked at again for a moment.
func (c *Client) do(ctx context.Context, method, path string, timeout time.Duration) ([]byte, error) {
	const patience = time.Second
	for began := time.Now(); ; {
		alive, err := c.Alive()
		if err != nil {
			return nil, err
		}
		if !alive {
			return nil, ErrNotRunning
		}
		record, err := c.awaitRecord(ctx)
		if err != nil {
			return nil, err
		}
		if isSuspended(record.PID) {
			return nil, &problem.Error{
				What:  fmt.Sprintf("the supervisor, process %d, is suspended", record.PID),
				Cause: errSuspended,
				Next:  fmt.Sprintf("let it go on: kill -CONT %d; or restart it: gmctl up", record.PID),
			}
		}
		body, err := c.call(ctx, method, record, path, timeout)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if _, refused := errors.AsType[net.Error](err); !refused {
			return body, err
		}
		if time.Since(began) > patience {
			return nil, noAnswer(record.PID, timeout, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// noAnswer says that the supervisor did not answer a call, which ended with err.
func noAnswer(pid int, timeout time.Duration, err error) *problem.Error {
	cause := fmt.Errorf("%w: %w", ErrNoAnswer, err)
	if errors.Is(err, context.DeadlineExceeded) {
		cause = fmt.Errorf("%w within %v", ErrNoAnswer, timeout)
	}
	return &problem.Error{
		What:  fmt.Sprintf("the supervisor, process %d, does not answer", pid),
		Cause: cause,
		Next:  "restart it: gmctl up; read why: gmctl logs supervisor",
	}
}

// errSuspended is why there is no use in asking a process that a signal stopped.
var errSuspended = fmt.Errorf("%w: a signal stopped it", ErrNoAnswer)

func isSuspended(pid int) bool {
	state, err := (&process.Process{Pid: int32(pid)}).Status()
	return err == nil && slices.Contains(state, process.Stop)
}

// call makes one call; a net.Error means that nobody answered.
func (c *Client) call(ctx context.Context, method string, r record, path string, timeout time.Duration) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, r.Control+path, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+r.Token)
	response, err := c.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode >= 300 {
		return nil, fmt.Errorf("the supervisor answered %s: %s", response.Status, strings.TrimSpace(string(body)))
	}
	return body, nil
}

// awaitRecord returns the record of the supervisor that holds the lock now. One
// that has just started may not have written its own yet.
func (c *Client) awaitRecord(ctx context.Context) (record, error) {
	deadline := time.Now().Add(5 * time.Second)
	for {
		r, err := readRecord(c.dirs)
		if err == nil && r.Control != "" && isProcess(r.PID) {
			return r, nil
		}
		if err != nil && time.Now().After(deadline) {
			return r, err
		}
		if time.Now().After(deadline) {
			return r, &problem.Error{What: "the supervisor runs but has not said where it listens", Next: "read why: gmctl logs supervisor"}
		}
		select {
		case <-ctx.Done():
			return r, ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}
