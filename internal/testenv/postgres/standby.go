package postgres

import (
	"context"
	"errors"
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
	standby, err := s.StartStandby(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
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

// StartStandby is Standby where there is no test: the caller removes the standby, whose
// directory is made as Options.Dir says.
func (s *Server) StartStandby(ctx context.Context, in string) (*Server, error) {
	if err := s.Shutdown(ctx); err != nil {
		return nil, err
	}
	dir, err := makeDir(in)
	if err != nil {
		return nil, err
	}
	standby := &Server{dir: dir, log: &log{}, config: s.config}
	standby.config.DataDir, standby.config.SecretsDir = filepath.Join(dir, "postgres"), filepath.Join(dir, "secrets")
	standby.config.Log = standby.log
	if err := standby.copyOf(ctx, s); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return standby, nil
}

// copyOf copies the primary, which is down, starts it again, and follows it.
func (s *Server) copyOf(ctx context.Context, primary *Server) (err error) {
	if err := copyAll(primary.dir, s.dir); err != nil {
		return err
	}
	if err := primary.StartAgain(ctx); err != nil {
		return err
	}
	if s.config.Port, err = testenv.FreePort(); err != nil {
		return err
	}
	if err := s.follow(primary); err != nil {
		return err
	}
	return s.StartAgain(ctx)
}

// follow writes down whom to follow, as pg_basebackup --write-recovery-conf does.
func (s *Server) follow(primary *Server) error {
	at, err := pgx.ParseConfig(primary.SuperuserDSN("postgres"))
	if err != nil {
		return err
	}
	conninfo := fmt.Sprintf("primary_conninfo = 'host=%s port=%d user=%s password=%s'\n", at.Host, at.Port, at.User, at.Password)
	settings, err := os.OpenFile(filepath.Join(s.DataDir(), "postgresql.auto.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = settings.WriteString(conninfo)
	if err := errors.Join(err, settings.Close()); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(s.DataDir(), "standby.signal"), nil, 0o644)
}

// AwaitStandby waits until a standby has all that s has written.
func (s *Server) AwaitStandby(t testing.TB, standby *Server) {
	t.Helper()
	var at string
	err := s.ask(t.Context(), "SELECT pg_current_wal_flush_lsn()::text", &at)
	if err == nil {
		err = standby.awaitTrue(t.Context(), "the standby has followed", "SELECT pg_last_wal_replay_lsn() >= '"+at+"'")
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Synchronous has each commit on s, from now on, wait until a standby has it.
func (s *Server) Synchronous(t testing.TB) {
	t.Helper()
	if err := s.MakeSynchronous(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// MakeSynchronous is Synchronous where there is no test.
func (s *Server) MakeSynchronous(ctx context.Context) error {
	for _, statement := range []string{"ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()"} {
		if err := s.administer(ctx, statement); err != nil {
			return err
		}
	}
	return s.awaitTrue(ctx, "a standby is synchronous", "SELECT EXISTS (SELECT FROM pg_stat_replication WHERE sync_state = 'sync')")
}

func (s *Server) awaitTrue(ctx context.Context, what, query string) error {
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		var holds bool
		if err := s.ask(ctx, query, &holds); err != nil || holds {
			return err
		}
		if time.Now().After(deadline) {
			return errors.New("waited in vain until " + what)
		}
	}
}

// Promote makes a standby a primary, which waits for no standby of its own.
func (s *Server) Promote(t testing.TB) {
	t.Helper()
	if err := s.TakeOver(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TakeOver is Promote where there is no test.
func (s *Server) TakeOver(ctx context.Context) error {
	var promoted bool
	if err := s.ask(ctx, "SELECT pg_promote()", &promoted); err != nil {
		return err
	}
	if !promoted {
		return errors.New("the standby is not promoted")
	}
	return nil
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
