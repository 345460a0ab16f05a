package server_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gamemetrics/gmctl/internal/postgres/server"
	"github.com/gamemetrics/gmctl/internal/problem"
)

// refused starts a server that must not start, and returns why.
func refused(t *testing.T, cfg server.Config) *problem.Error {
	t.Helper()
	s, err := server.Start(t.Context(), cfg, nil)
	if err == nil {
		stop(t, s)
		t.Fatal("the server started")
	}
	p := problem.From(err)
	t.Logf("what: %s\ncause: %v\nnext: %s", p.What, p.Cause, p.Next)
	if p.What == "" || p.Cause == nil || p.Next == "" {
		t.Error("a part of the problem is missing")
	}
	if left := server.ProcessesOf(cfg.DataDir); len(left) > 0 {
		t.Errorf("left running: %v", left)
	}
	return p
}

func wantIn(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q does not say %q", text, part)
		}
	}
}

func TestATakenPortIsNamed(t *testing.T) {
	t.Parallel()
	cfg := newConfig(t)
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	cfg.Port = listener.Addr().(*net.TCPAddr).Port
	p := refused(t, cfg)
	wantIn(t, p.Error(), "port", "address already in use")
	wantIn(t, p.Next, "local.postgres.port")
}

func TestDataOfAnotherMajorVersionIsLeftAlone(t *testing.T) {
	t.Parallel()
	cfg := newConfig(t)
	stop(t, start(t, cfg))
	version := filepath.Join(cfg.DataDir, "PG_VERSION")
	if err := os.WriteFile(version, []byte("11\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := refused(t, cfg)
	wantIn(t, p.Error(), "PostgreSQL 11", cfg.Binaries.Version)
	wantIn(t, p.Next, "install PostgreSQL 11")
	if p.Kind != problem.Missing {
		t.Errorf("kind %v", p.Kind)
	}
}

func TestADamagedDataDirectoryIsExplained(t *testing.T) {
	t.Parallel()
	cfg := newConfig(t)
	stop(t, start(t, cfg))
	tests := []struct {
		damage func(t *testing.T, path string)
		path   string
		cause  string
	}{
		{removed, "global/pg_control", "pg_control"},
		{emptied, "global/pg_control", "pg_control"},
		{removed, "pg_wal", "pg_wal"},
		{removed, "base", "base"},
		{removed, "postgresql.conf", "configuration file"},
		{emptied, "PG_VERSION", "PG_VERSION"},
		{removed, "PG_VERSION", "PG_VERSION"},
	}
	for _, test := range tests {
		t.Run(test.path, func(t *testing.T) {
			test.damage(t, filepath.Join(cfg.DataDir, test.path))
			p := refused(t, cfg)
			wantIn(t, p.Error(), test.cause)
			wantIn(t, p.Next, "copy", "gmctl teardown")
		})
	}
	start(t, cfg)
}

func TestAForeignDirectoryIsNotTakenOver(t *testing.T) {
	t.Parallel()
	cfg := newConfig(t)
	theirs := filepath.Join(cfg.DataDir, "thesis.txt")
	if err := os.MkdirAll(cfg.DataDir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(theirs, []byte("months of work"), 0o600); err != nil {
		t.Fatal(err)
	}
	wantIn(t, refused(t, cfg).Error(), "thesis.txt")
	if _, err := os.Stat(theirs); err != nil {
		t.Error(err)
	}
}

func TestAnEmptyDirectoryIsNoObstacle(t *testing.T) {
	t.Parallel()
	cfg := newConfig(t)
	if err := os.MkdirAll(cfg.DataDir, 0o755); err != nil {
		t.Fatal(err)
	}
	start(t, cfg)
}

func TestAnUnknownSettingIsExplained(t *testing.T) {
	t.Parallel()
	cfg := newConfig(t)
	cfg.Settings = map[string]string{"shared_bufers": "1GB"}
	wantIn(t, refused(t, cfg).Error(), "shared_bufers")
}

// removed moves the file away until the end of the test.
func removed(t *testing.T, path string) {
	t.Helper()
	rename := func(from, to string) {
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	aside := path + ".aside"
	rename(path, aside)
	t.Cleanup(func() { rename(aside, path) })
}

// emptied leaves the file without content until the end of the test.
func emptied(t *testing.T, path string) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err == nil {
		err = os.Truncate(path, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.WriteFile(path, content, 0o600); err != nil { // the owner stays
			t.Fatal(err)
		}
	})
}
