// Package serve runs the commands `gmctl serve SERVICE` inside a test.
package serve

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/pkg/eventapi"
)

// patience is how long something may take on a busy machine.
const patience = 20 * time.Second

// Command makes the command of a service.
type Command func(*factory.Factory) *cobra.Command

// Run runs the command to its end. What it logs goes to stderr.
func (newCommand Command) Run(ctx context.Context, stderr io.Writer, args ...string) error {
	streams, _, _, _ := iostreams.Test()
	streams.Err = stderr
	f := factory.New(streams)
	f.LogFormat = "text"
	cmd := newCommand(f)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(args)
	return cmd.ExecuteContext(ctx)
}

// Service is a service that runs.
type Service struct {
	Address string // host:port

	log   *log
	stop  context.CancelFunc
	ended chan struct{}
	err   error // what it ended with, once ended is closed
	told  bool  // the test was told err
}

// Start starts the service on a free port of loopback and returns when it
// listens. It is ended with the test, which fails if the service ended with an
// error that the test did not ask for.
func (newCommand Command) Start(t *testing.T, args ...string) *Service {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	s := &Service{log: &log{}, stop: stop, ended: make(chan struct{})}
	go func() {
		defer close(s.ended)
		s.err = newCommand.Run(ctx, s.log, append([]string{"--listen", "127.0.0.1:0"}, args...)...)
	}()
	t.Cleanup(func() {
		told := s.told
		if err := s.Stop(t); err != nil && !told {
			t.Errorf("the service ended with %v", err)
		}
	})
	address := regexp.MustCompile(`address=(\S+)`)
	Eventually(t, "the service listens", func() bool {
		found := address.FindStringSubmatch(s.log.String())
		if found != nil {
			s.Address = found[1]
		}
		return found != nil
	})
	return s
}

// Stop tells the service to end, as SIGTERM does, and returns what it ended with.
func (s *Service) Stop(t *testing.T) error {
	t.Helper()
	s.stop()
	return s.Wait(t)
}

// Wait returns what the service ended with, when it did.
func (s *Service) Wait(t *testing.T) error {
	t.Helper()
	select {
	case <-s.ended:
		s.told = true
	case <-time.After(patience):
		t.Fatalf("the service did not end in %s; its log:\n%s", patience, s.log)
	}
	return s.err
}

// Log is what the service logged so far.
func (s *Service) Log() string { return s.log.String() }

// Get asks the service for a path.
func (s *Service) Get(t *testing.T, path string) (status int, body string) {
	t.Helper()
	response, err := http.Get("http://" + s.Address + path)
	if err != nil {
		t.Fatal(err)
	}
	return read(t, response)
}

// Post sends the service JSON.
func (s *Service) Post(t *testing.T, path, body string) (status int, answer string) {
	t.Helper()
	response, err := http.Post("http://"+s.Address+path, eventapi.JSON, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return read(t, response)
}

func read(t *testing.T, response *http.Response) (status int, body string) {
	t.Helper()
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(content)
}

// Ready reports whether the service says that it can do its work.
func (s *Service) Ready(t *testing.T) bool {
	t.Helper()
	status, _ := s.Get(t, "/ready")
	return status == http.StatusOK
}

// Eventually fails the test where something does not come to hold.
func Eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in %s: %s", patience, what)
		}
	}
}

// log is a buffer that is written and read at the same time.
type log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
