package postgres

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gamemetrics/gmctl/internal/testenv"
)

// Standby starts a server that follows s, with the same passwords, until Promote. It
// stops with the test. s is restarted, and its data are copied meanwhile.
func (s *Server) Standby(t testing.TB) *Server {
	t.Helper()
	s.Stop(t)
	dir, err := makeDir("")
	if err != nil {
		t.Fatal(err)
	}
	copyAll(t, s.dir, dir)
	s.Restart(t)
	standby := &Server{dir: dir, log: &log{}, config: s.config}
	if standby.config.Port, err = testenv.FreePort(); err != nil {
		t.Fatal(err)
	}
	standby.config.DataDir, standby.config.SecretsDir = filepath.Join(dir, "postgres"), filepath.Join(dir, "secrets")
	standby.config.Log = standby.log
	standby.follow(t, s)
	standby.Restart(t)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the standby's log:\n%s", standby.log.tail())
		}
		if err := standby.Remove(); err != nil {
			t.Error(err)
		}
	})
	return standby
}

// follow writes down whom to follow, as pg_basebackup --write-recovery-conf does.
func (s *Server) follow(t testing.TB, primary *Server) {
	t.Helper()
	at, err := pgx.ParseConfig(primary.SuperuserDSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	conninfo := fmt.Sprintf("primary_conninfo = 'host=%s port=%d user=%s password=%s'\n", at.Host, at.Port, at.User, at.Password)
	settings, err := os.OpenFile(filepath.Join(s.DataDir(), "postgresql.auto.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = settings.WriteString(conninfo)
	if closing := settings.Close(); err == nil {
		err = closing
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(s.DataDir(), "standby.signal"), nil, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// AwaitStandby waits until a standby has all that s has written.
func (s *Server) AwaitStandby(t testing.TB, standby *Server) {
	t.Helper()
	var at string
	s.ask(t, "SELECT pg_current_wal_flush_lsn()::text", &at)
	standby.awaitTrue(t, "the standby has followed", "SELECT pg_last_wal_replay_lsn() >= '"+at+"'")
}

// Synchronous has each commit on s, from now on, wait until a standby has it.
func (s *Server) Synchronous(t testing.TB) {
	t.Helper()
	s.administer(t, "ALTER SYSTEM SET synchronous_standby_names = '*'")
	s.administer(t, "SELECT pg_reload_conf()")
	s.awaitTrue(t, "a standby is synchronous", "SELECT EXISTS (SELECT FROM pg_stat_replication WHERE sync_state = 'sync')")
}

func (s *Server) awaitTrue(t testing.TB, what, query string) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		var holds bool
		if s.ask(t, query, &holds); holds {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("waited in vain until " + what)
		}
	}
}

// Promote makes a standby a primary, which waits for no standby of its own.
func (s *Server) Promote(t testing.TB) {
	t.Helper()
	var promoted bool
	s.ask(t, "SELECT pg_promote()", &promoted)
	if !promoted {
		t.Fatal("the standby is not promoted")
	}
}

// OneOf is a connection string for whichever of the servers is the primary; dsn is that
// of a database of one of them.
func OneOf(t testing.TB, dsn string, servers ...*Server) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	var hosts []string
	for _, s := range servers {
		hosts = append(hosts, net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port())))
	}
	u.Host = strings.Join(hosts, ",")
	query := u.Query()
	query.Set("target_session_attrs", "read-write")
	u.RawQuery = query.Encode()
	return u.String()
}
