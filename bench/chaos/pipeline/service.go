//go:build unix

package pipeline

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gamemetrics/gmctl/internal/testenv/clock"
	"github.com/gamemetrics/gmctl/internal/testenv/network"
	"github.com/gamemetrics/gmctl/internal/testenv/process"
)

// service is a process of ours that is started again whenever it ends, as a
// cluster does it.
type service struct {
	name    string
	address string        // host:port
	front   *network.Link // of the players, to the same address
	log     string
	command func() *exec.Cmd
	fell    func(why string) // is told when it ends by itself

	setClock atomic.Pointer[clock.Clock] // of the process that is started next; nil: the machine's

	mu      sync.Mutex
	process *process.Process
	since   time.Time
	killed  bool // by us: its end is no surprise
	paused  bool
	kept    chan struct{}
}

// keep runs the service until ctx ends.
func (s *service) keep(ctx context.Context) {
	defer close(s.kept)
	const first, last = 300 * time.Millisecond, 5 * time.Second
	pause := first
	for ctx.Err() == nil {
		p, err := process.Start(s.command(), s.log)
		if err != nil {
			s.fell(err.Error())
			return
		}
		s.mu.Lock()
		s.process, s.since, s.killed, s.paused = p, time.Now(), false, false
		s.mu.Unlock()
		select {
		case <-ctx.Done():
			p.Kill()
			return
		case <-p.Done():
		}
		s.mu.Lock()
		killed, lived := s.killed, time.Since(s.since)
		s.mu.Unlock()
		if !killed {
			s.fell(fmt.Sprintf("%s ended by itself with %d: %s", s.name, p.ExitCode(), p.LogTail(3)))
		}
		if pause = min(2*pause, last); killed || lived > last {
			pause = first
		}
		sleep(ctx, pause)
	}
}

// take returns the process, and remembers whether it is about to be killed.
func (s *service) take(killed bool) *process.Process {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.killed = s.killed || killed
	return s.process
}

// kill ends the process as kill -9 does.
func (s *service) kill() { s.take(true).Kill() }

// pause stops the process until resume.
func (s *service) pause() (resume func() error, err error) {
	p := s.take(false)
	s.setPaused(true)
	return func() error {
		defer s.setPaused(false)
		return p.Resume()
	}, p.Pause()
}

func (s *service) setPaused(paused bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paused = paused
}

// toEnd is how long a process may take to end after SIGTERM: its grace, and some time
// on a machine that has much else to do.
const toEnd = grace + 5*time.Second

// terminate asks the process to end, and returns an error where it does not end in
// order and in time.
func (s *service) terminate() error {
	p := s.take(true)
	if p.Ended() {
		return nil
	}
	if err := p.Terminate(); err != nil {
		return err
	}
	select {
	case <-p.Done():
	case <-time.After(toEnd):
		return fmt.Errorf("%s did not end within %s of SIGTERM", s.name, toEnd)
	}
	if code := p.ExitCode(); code != 0 {
		return fmt.Errorf("%s ended with %d after SIGTERM: %s", s.name, code, p.LogTail(3))
	}
	return nil
}

// age is how long the present process lives, and its id; 0 where there is none, or it
// was told to end or is paused.
func (s *service) age() (pid int, age time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil || s.killed || s.paused || s.process.Ended() {
		return 0, 0
	}
	return s.process.PID(), time.Since(s.since)
}

// ready returns nil when the service says that it can do its work.
func (s *service) ready(ctx context.Context) error {
	_, err := s.get(ctx, "/ready", http.StatusOK)
	return err
}

// works reports whether a relay is the one that publishes.
func (s *service) works(ctx context.Context) bool {
	says, err := s.get(ctx, "/ready", http.StatusOK)
	return err == nil && strings.HasPrefix(says, "active")
}

// get returns the beginning of what the service answers the path with, and an error
// unless that is the status.
func (s *service) get(ctx context.Context, path string, status int) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.address+path, nil)
	if err != nil {
		return "", err
	}
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 400))
	if err == nil && response.StatusCode != status {
		err = fmt.Errorf("%s%s answered %d: %s", s.name, path, response.StatusCode, body)
	}
	return string(body), err
}

// residentMiB is the memory that the process holds; 0 where that is not known.
func (s *service) residentMiB() int {
	pid, _ := s.age()
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(content), "VmHWM:")
	line, _, _ := strings.Cut(rest, "kB")
	kib, _ := strconv.Atoi(strings.TrimSpace(line))
	return kib >> 10
}
