package server_test

import (
	"context"
	"io"
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
	port, err := testenv.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	return port
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
	t.Parallel()
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

// What the platform does, it does as the database's owner.
func TestTheUserMayDoWhatThePlatformNeeds(t *testing.T) {
	t.Parallel()
	cfg := newConfig(t)
	s := start(t, cfg)
	if query[bool](t, s, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") {
		t.Error("the user is a superuser")
	}
	if query[int64](t, s, "SELECT system_identifier FROM pg_control_system()") == 0 {
		t.Error("no system identifier")
	}
	if query[int](t, s, "SELECT count(*) FROM pg_stat_activity WHERE query = '<insufficient privilege>'") != 0 {
		t.Error("the user cannot see the server's figures")
	}
	execute(t, s, "CREATE SCHEMA own")

	if got := query[string](t, s, "SELECT current_setting('data_checksums') || ' ' || current_setting('server_encoding') || ' ' || current_setting('TimeZone')"); got != "on UTF8 UTC" {
		t.Errorf("checksums, encoding and time zone are %q", got)
	}
	status := s.Status()
	if status.Port != cfg.Port || status.Version != cfg.Binaries.Version || status.PID == 0 || time.Since(status.Since) > time.Minute {
		t.Errorf("status %+v", status)
	}
}

func TestPasswordsAreTheOwnersAloneAndNeeded(t *testing.T) {
	cfg := newConfig(t)
	s := start(t, cfg)
	files, err := os.ReadDir(cfg.SecretsDir)
	if err != nil || len(files) == 0 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, file := range files {
		info, err := file.Info()
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", file.Name(), info.Mode())
		}
	}
	if _, err := pgx.Connect(t.Context(), s.URL()+"?sslmode=disable"); err == nil {
		t.Error("the server lets in a user without a password")
	}
	t.Setenv("PGPASSFILE", server.PgpassFile(cfg.SecretsDir))
	conn, err := pgx.Connect(t.Context(), s.URL()+"?sslmode=disable")
	if err != nil {
		t.Fatalf("the pgpass file does not let its owner in: %v", err)
	}
	conn.Close(t.Context())
}

func TestLostPasswordsAreReplaced(t *testing.T) {
	t.Parallel()
	for _, lost := range []string{"postgres-superuser.password", "postgres.password", ""} {
		t.Run("lost "+lost, func(t *testing.T) {
			t.Parallel()
			cfg := newConfig(t)
			first := start(t, cfg)
			execute(t, first, "CREATE TABLE kept AS SELECT 42 AS n")
			stop(t, first)
			if err := os.RemoveAll(filepath.Join(cfg.SecretsDir, lost)); err != nil {
				t.Fatal(err)
			}
			if got := query[int](t, start(t, cfg), "SELECT n FROM kept"); got != 42 {
				t.Errorf("the table holds %d", got)
			}
		})
	}
}

// The superuser's password in the file is another cluster's.
func TestAWrongSuperuserPasswordIsReplaced(t *testing.T) {
	t.Parallel()
	cfg := newConfig(t)
	stop(t, start(t, cfg))
	for _, name := range []string{"postgres-superuser.password", "postgres.password"} {
		if err := os.WriteFile(filepath.Join(cfg.SecretsDir, name), []byte("another\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	execute(t, start(t, cfg), "SELECT 1")
}

func TestRemoveDataLeavesNothing(t *testing.T) {
	t.Parallel()
	cfg := newConfig(t)
	s := start(t, cfg)
	if err := server.RemoveData(t.Context(), cfg.DataDir); err == nil {
		t.Fatal("the data of a running server was removed")
	}
	execute(t, s, "SELECT 1")
	stop(t, s)
	for range 2 {
		if err := server.RemoveData(t.Context(), cfg.DataDir); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(cfg.DataDir); !os.IsNotExist(err) {
		t.Errorf("still there: %v", err)
	}
}
