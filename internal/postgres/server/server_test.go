package server_test

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gamemetrics/gmctl/internal/postgres/server"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/testenv"
)

var installed = sync.OnceValues(func() (server.Binaries, error) {
	return server.Find(context.Background(), "", filepath.Join(os.TempDir(), "gmctl-test-cache"), nil)
})

// binaries are those of this machine.
func binaries(t *testing.T) server.Binaries {
	t.Helper()
	found, err := installed()
	testenv.Require(t, testenv.Postgres, err)
	return found
}

// openDir is a directory that the account which runs PostgreSQL can reach.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "gmctl-postgres-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// newConfig describes a server of this test alone.
func newConfig(t *testing.T) server.Config {
	t.Helper()
	dir := openDir(t)
	return server.Config{
		DataDir:    filepath.Join(dir, "postgres"),
		SecretsDir: filepath.Join(dir, "secrets"),
		Binaries:   binaries(t),
		Port:       freePort(t),
		Log:        testLog{t},
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

// testLog shows the server's log in verbose test runs.
type testLog struct{ t *testing.T }

var _ io.Writer = testLog{}

func (l testLog) Write(p []byte) (int, error) {
	if testing.Verbose() {
		os.Stderr.Write(p)
	}
	return len(p), nil
}

// start starts the server and stops it at the end of the test.
func start(t *testing.T, cfg server.Config) *server.Server {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s, err := server.Start(ctx, cfg, func(doing string) { t.Log(doing) })
	if err != nil {
		t.Fatalf("%v\nnext: %s", err, problem.From(err).Next)
	}
	t.Cleanup(func() { stop(t, s) })
	return s
}

func stop(t *testing.T, s *server.Server) {
	t.Helper()
	if err := s.Stop(context.Background()); err != nil {
		t.Error(err)
	}
}

func execute(t *testing.T, s *server.Server, statement string) {
	t.Helper()
	conn := connect(t, s.DSN())
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

func query[T any](t *testing.T, s *server.Server, sql string) T {
	t.Helper()
	conn := connect(t, s.DSN())
	defer conn.Close(context.Background())
	var value T
	if err := conn.QueryRow(t.Context(), sql).Scan(&value); err != nil {
		t.Fatal(err)
	}
	return value
}

func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func TestFreshStartThenRestartKeepsTheData(t *testing.T) {
	cfg := newConfig(t)
	first := start(t, cfg)
	execute(t, first, "CREATE TABLE kept AS SELECT 42 AS n")
	if got := query[string](t, first, "SHOW synchronous_commit"); got != "on" {
		t.Errorf("synchronous_commit is %s", got)
	}
	stop(t, first)
	if err := first.Wait(); err != nil {
		t.Errorf("a stop in order is told as an error: %v", err)
	}

	second := start(t, cfg)
	if got := query[int](t, second, "SELECT n FROM kept"); got != 42 {
		t.Errorf("after the restart the table holds %d", got)
	}
}
