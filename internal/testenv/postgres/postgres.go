// Package postgres gives tests a real PostgreSQL.
//
// Most tests want an empty database and nothing else: one server is shared by
// a test binary, and each test gets a database of its own.
//
//	var pg postgres.Shared
//
//	func TestMain(m *testing.M) { os.Exit(pg.Main(m)) }
//
//	func TestStore(t *testing.T) {
//		dsn := pg.Database(t)
//		…
//	}
//
// Tests that kill or restart the server take one of their own with Start.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gamemetrics/gmctl/internal/paths"
	"github.com/gamemetrics/gmctl/internal/postgres/server"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/testenv"
)

// Options are what a test may ask of its server.
type Options struct {
	// Unsafe turns off what makes the server durable, for tests that are only
	// about SQL: much faster where the disk is slow.
	Unsafe bool
	// Dir is where the server's own directory is made: on a disk of its own, for
	// example. Root's server runs as another user, who must reach it; empty: the
	// system's folder for temporary files.
	Dir string
	// Settings are server parameters.
	Settings map[string]string
}

func (o Options) settings() map[string]string {
	settings := map[string]string{"shared_buffers": "32MB", "max_wal_size": "256MB"}
	if o.Unsafe {
		settings["fsync"] = "off"
		settings["synchronous_commit"] = "off"
		settings["full_page_writes"] = "off"
	}
	maps.Copy(settings, o.Settings)
	return settings
}

// Shared is one server for all tests of a package, started when the first of
// them asks for a database.
type Shared struct {
	Options Options

	start  sync.Once
	server *Server
	err    error
}

// Main runs the tests, stops the server if one was started, and returns the
// code to exit with.
func (s *Shared) Main(m *testing.M) int {
	code := m.Run()
	if s.server != nil {
		if err := s.server.Remove(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return max(code, 1)
		}
	}
	return code
}

// Database makes an empty database and returns a connection string for it, of a
// user who owns it and is no superuser. The database goes with the test.
func (s *Shared) Database(t testing.TB) string {
	t.Helper()
	return s.Server(t).Database(t)
}

// Server returns the shared server; a test must leave it running.
func (s *Shared) Server(t testing.TB) *Server {
	t.Helper()
	s.start.Do(func() { s.server, s.err = StartServer(context.WithoutCancel(t.Context()), s.Options) })
	require(t, s.err)
	return s.server
}

// Server is a PostgreSQL for tests. Its methods are for one goroutine at a
// time, but for Database.
type Server struct {
	dir    string
	config server.Config
	log    *log
	server *server.Server

	mu        sync.Mutex
	databases int
}

// Start starts a server for this test alone, and stops and removes it with the test.
func Start(t testing.TB, options Options) *Server {
	t.Helper()
	s, err := StartServer(t.Context(), options)
	require(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the PostgreSQL log:\n%s", s.log.tail())
		}
		if err := s.Remove(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// require skips the test where PostgreSQL is missing; any other error fails it.
func require(t testing.TB, err error) {
	t.Helper()
	if err != nil && problem.From(err).Kind != problem.Missing {
		t.Fatal(err)
	}
	testenv.Require(t, testenv.Postgres, err)
}

// StartServer starts a server that the caller removes with Remove.
func StartServer(ctx context.Context, options Options) (*Server, error) {
	dirs, err := paths.For("test")
	if err != nil {
		return nil, err
	}
	binaries, err := server.Find(ctx, "", dirs.Cache, nil)
	if err != nil {
		return nil, err
	}
	port, err := testenv.FreePort()
	if err != nil {
		return nil, err
	}
	dir, err := makeDir(options.Dir)
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir, log: &log{}}
	s.config = server.Config{
		DataDir:    filepath.Join(dir, "postgres"),
		SecretsDir: filepath.Join(dir, "secrets"),
		Binaries:   binaries,
		Port:       port,
		Settings:   options.settings(),
		Log:        s.log,
	}
	if err := s.StartAgain(ctx); err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	return s, nil
}

// StartAgain starts a stopped or killed server again, with its data, on its port.
func (s *Server) StartAgain(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	running, err := server.Start(ctx, s.config, nil)
	if err != nil {
		return err
	}
	s.server = running
	return nil
}

// DSN is a connection string for the database gamemetrics, of its owner.
func (s *Server) DSN() string { return s.server.DSN() }

// SuperuserDSN is a connection string for the named database, of the superuser.
func (s *Server) SuperuserDSN(database string) string { return s.server.SuperuserDSN(database) }

// Port is the server's port on 127.0.0.1. It stays over restarts.
func (s *Server) Port() int { return s.config.Port }

// Log returns all that the server has logged.
func (s *Server) Log() string {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	return s.log.text.String()
}

// Kill kills the server as an out-of-memory killer would, and returns when it is gone.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	if err := s.Crash(); err != nil {
		t.Fatal(err)
	}
}

// Crash is Kill where there is no test.
func (s *Server) Crash() error {
	process, err := os.FindProcess(s.server.Status().PID)
	if err != nil {
		return err
	}
	if err := process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-s.server.Done()
	return nil
}

// Shutdown stops the server in order.
func (s *Server) Shutdown(ctx context.Context) error { return s.server.Stop(ctx) }

// Ended reports whether the server has ended.
func (s *Server) Ended() bool {
	select {
	case <-s.server.Done():
		return true
	default:
		return false
	}
}

// Stop stops the server in order; Restart starts it again.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	if err := s.Shutdown(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
}

// Restart starts a stopped or killed server again, with its data, on its port.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	if err := s.StartAgain(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// DataDir is the server's, and belongs to the user that it runs as.
func (s *Server) DataDir() string { return s.config.DataDir }

// Remove stops the server and removes its data.
func (s *Server) Remove() error {
	if err := s.server.Stop(context.Background()); err != nil {
		return err
	}
	return os.RemoveAll(s.dir)
}

// log keeps what the server says, for a test that fails.
type log struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) tail() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	const most = 8 << 10
	text := l.text.String()
	return text[max(0, len(text)-most):]
}
