package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/gamemetrics/gmctl/internal/postgres"
	"github.com/gamemetrics/gmctl/internal/problem"
	testpostgres "github.com/gamemetrics/gmctl/internal/testenv/postgres"
	"github.com/gamemetrics/gmctl/services/ingestion"
)

func TestOpenExplains(t *testing.T) {
	good, err := pgx.ParseConfig(pg.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	dsn := func(user, password string, port uint16, database string) string {
		return fmt.Sprintf("postgres://%s:%s@127.0.0.1:%d/%s", user, password, port, database)
	}
	for name, c := range map[string]struct{ dsn, what, next string }{
		"unreadable":       {"postgres://a b:%", "connection string cannot be read", "postgres://"},
		"nothing listens":  {dsn("u", "p", 1, "d"), "nothing listens at 127.0.0.1:1", "start PostgreSQL"},
		"unknown host":     {"postgres://u@no-such-host.invalid/d", "no-such-host.invalid", "host name"},
		"wrong password":   {dsn(good.User, "wrong", good.Port, good.Database), "refused the login of " + good.User, "password"},
		"no such database": {dsn(good.User, good.Password, good.Port, "nothere"), "has no database nothere", "CREATE DATABASE"},
		"no answer":        {dsn("u", "p", uint16(silent.Addr().(*net.TCPAddr).Port), "d") + "?connect_timeout=1", "did not answer in time", "load"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := postgres.Open(t.Context(), postgres.Config{DSN: c.dsn})
			p, ok := errors.AsType[*problem.Error](err)
			if !ok || !strings.Contains(p.What, c.what) || !strings.Contains(p.Next, c.next) {
				t.Fatalf("%v (next: %v)", err, problem.From(err).Next)
			}
			if good.Password != "" && strings.Contains(err.Error(), good.Password) || strings.Contains(err.Error(), "wrong") {
				t.Errorf("shows the password: %v", err)
			}
		})
	}
}

func TestExplainStates(t *testing.T) {
	for state, what := range map[string]string{
		"53300": "no connection left", "53100": "no disk space", "53200": "out of memory", "25006": "read-only",
		"57P01": "shutting down", "57P03": "starting", "57014": "took too long", "42P01": "lacks a table", "42501": "does not allow",
	} {
		p := postgres.Explain(&pgconn.PgError{Code: state, Message: "said so"}, "postgres://u:secret@db:5432/d")
		if !strings.Contains(p.What, what) || p.Next == "" || !strings.Contains(p.Error(), "said so") || strings.Contains(p.Error(), "secret") {
			t.Errorf("%s: %v, next %q", state, p, p.Next)
		}
	}
}

func TestSessionsAreDurableAndBounded(t *testing.T) {
	dsn := pg.Database(t)
	pool := opened(t, dsn)
	if _, err := pool.Exec(t.Context(), "ALTER ROLE CURRENT_USER SET synchronous_commit = off"); err != nil {
		t.Fatal(err)
	}
	pool = opened(t, dsn)
	for setting, want := range map[string]string{"synchronous_commit": "on", "TimeZone": "UTC", "application_name": "gmctl", "statement_timeout": "30s", "jit": "off"} {
		var got string
		if err := pool.QueryRow(t.Context(), "SELECT current_setting($1)", setting).Scan(&got); err != nil || got != want {
			t.Errorf("%s is %q, want %q (%v)", setting, got, want, err)
		}
	}
	if _, err := pool.Exec(t.Context(), "ALTER ROLE CURRENT_USER RESET ALL"); err != nil {
		t.Fatal(err)
	}
}

// The server is killed, is away, and comes back: the same store goes on.
func TestTheStoreOutlivesTheServer(t *testing.T) {
	server := testpostgres.Start(t, testpostgres.Options{})
	pool := opened(t, server.Database(t))
	if err := postgres.Migrate(t.Context(), pool, nil); err != nil {
		t.Fatal(err)
	}
	store := postgres.NewStore(pool, nil)
	acknowledged := []ingestion.Record{record("p", time.Now())}
	write := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err := store.Write(ctx, acknowledged)
		return err
	}
	if err := write(); err != nil {
		t.Fatal(err)
	}
	server.Kill(t)
	err := write()
	for err == nil { // a backend serves on until it notices that its postmaster is gone
		err = write()
	}
	if !errors.Is(err, ingestion.ErrUnavailable) || errors.Is(err, ingestion.ErrUnstorable) {
		t.Errorf("without a server: %v, want ErrUnavailable", err)
	}
	if err := store.Ping(t.Context()); !errors.Is(err, ingestion.ErrUnavailable) {
		t.Errorf("Ping without a server: %v", err)
	}
	server.Restart(t)
	deadline := time.Now().Add(10 * time.Second)
	for write() != nil {
		if time.Now().After(deadline) {
			t.Fatal("the store does not come back")
		}
	}
	if n := count(t, pool, "SELECT count(*) FROM events WHERE event_id = $1", acknowledged[0].EventID); n != 1 {
		t.Errorf("the event is stored %d times", n)
	}
}

func TestAStandbyIsUnavailable(t *testing.T) {
	dsn := pg.Database(t)
	pool := opened(t, dsn)
	if err := postgres.Migrate(t.Context(), pool, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Exec(t.Context(), fmt.Sprintf("ALTER DATABASE %s SET default_transaction_read_only = on", pool.Config().ConnConfig.Database)); err != nil {
		t.Fatal(err)
	}
	store := postgres.NewStore(opened(t, dsn), nil)
	if _, err := store.Write(t.Context(), []ingestion.Record{record("p", time.Now())}); !errors.Is(err, ingestion.ErrUnavailable) || !strings.Contains(err.Error(), "read-only") {
		t.Errorf("Write: %v", err)
	}
	if err := store.Ping(t.Context()); !errors.Is(err, ingestion.ErrUnavailable) {
		t.Errorf("Ping: %v", err)
	}
}
