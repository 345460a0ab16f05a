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

	administer := func(statement string) {
		if err := s.administer(context.WithoutCancel(t.Context()), statement); err != nil { // also in a cleanup
			t.Fatal(err)
		}
	}
	administer(fmt.Sprintf("CREATE DATABASE %s OWNER gamemetrics", name))
	t.Cleanup(func() {
		select {
		case <-s.server.Done(): // the test stopped it: everything goes with the server
		default:
			administer(fmt.Sprintf("DROP DATABASE %s WITH (FORCE)", name))
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
func (s *Server) administer(ctx context.Context, statement string) error {
	return s.asSuperuser(ctx, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, statement)
		return err
	})
}

// ask reads one value as the superuser.
func (s *Server) ask(ctx context.Context, query string, into any) error {
	return s.asSuperuser(ctx, func(conn *pgx.Conn) error { return conn.QueryRow(ctx, query).Scan(into) })
}

func (s *Server) asSuperuser(ctx context.Context, do func(*pgx.Conn) error) error {
	conn, err := pgx.Connect(ctx, s.SuperuserDSN("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	return do(conn)
}
