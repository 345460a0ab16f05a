package postgres

import (
	"context"
	"fmt"
	"net/url"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Database makes an empty database, as Shared.Database does.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	s.mu.Lock()
	s.databases++
	name := fmt.Sprintf("test_%d", s.databases)
	s.mu.Unlock()

	s.administer(t, fmt.Sprintf("CREATE DATABASE %s OWNER gamemetrics", name))
	t.Cleanup(func() {
		select {
		case <-s.server.Done(): // the test stopped it: everything goes with the server
		default:
			s.administer(t, fmt.Sprintf("DROP DATABASE %s WITH (FORCE)", name))
		}
	})
	dsn, err := url.Parse(s.DSN())
	if err != nil {
		t.Fatal(err)
	}
	dsn.Path = name
	return dsn.String()
}

// administer executes a statement as the superuser.
func (s *Server) administer(t testing.TB, statement string) {
	t.Helper()
	s.asSuperuser(t, func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, statement)
		return err
	})
}

// ask reads one value as the superuser.
func (s *Server) ask(t testing.TB, query string, into any) {
	t.Helper()
	s.asSuperuser(t, func(ctx context.Context, conn *pgx.Conn) error { return conn.QueryRow(ctx, query).Scan(into) })
}

func (s *Server) asSuperuser(t testing.TB, do func(context.Context, *pgx.Conn) error) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context()) // also in a cleanup
	conn, err := pgx.Connect(ctx, s.SuperuserDSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if err := do(ctx, conn); err != nil {
		t.Fatal(err)
	}
}
