package server

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// provision makes sure that the role and the database are there and that the
// role can connect with the password of the secrets directory. fresh says that
// neither can be there yet. It returns when a connection was used.
func (s *Server) provision(ctx context.Context, fresh bool) error {
	if err := s.secrets.writePgpass(s.config); err != nil {
		return err
	}
	if !fresh {
		err := s.ping(ctx)
		if !isWrongPassword(err) && !hasState(err, noSuchDatabase) {
			return err
		}
	}
	conn, err := pgx.Connect(ctx, s.SuperuserDSN("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if err := s.provisionRole(ctx, conn); err != nil {
		return err
	}
	if err := s.provisionDatabase(ctx, conn); err != nil {
		return err
	}
	return s.ping(ctx)
}

func (s *Server) provisionRole(ctx context.Context, conn *pgx.Conn) error {
	var exists bool
	if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", s.config.User).Scan(&exists); err != nil {
		return err
	}
	verb := "CREATE"
	if exists {
		verb = "ALTER"
	}
	role := pgx.Identifier{s.config.User}.Sanitize()
	password := "'" + strings.ReplaceAll(s.secrets.user, "'", "''") + "'"
	// The statement holds a password: it is not to be logged if it fails.
	if _, err := conn.Exec(ctx, "SET log_min_error_statement = panic"); err != nil {
		return err
	}
	// pg_monitor lets status read the server's figures.
	_, err := conn.Exec(ctx, fmt.Sprintf("%s ROLE %s LOGIN PASSWORD %s; GRANT pg_monitor TO %s", verb, role, password, role))
	return err
}

func (s *Server) provisionDatabase(ctx context.Context, conn *pgx.Conn) error {
	var exists bool
	if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", s.config.Database).Scan(&exists); err != nil || exists {
		return err
	}
	database, role := pgx.Identifier{s.config.Database}.Sanitize(), pgx.Identifier{s.config.User}.Sanitize()
	// The new database is copied through the write-ahead log: compressing that
	// takes twice as long as writing it.
	if _, err := conn.Exec(ctx, "SET wal_compression = off"); err != nil {
		return err
	}
	_, err := conn.Exec(ctx, fmt.Sprintf("CREATE DATABASE %s OWNER %s", database, role))
	return err
}

// ping uses a connection of the user.
func (s *Server) ping(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, s.DSN())
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, "SELECT 1")
	return errors.Join(err, conn.Close(context.WithoutCancel(ctx)))
}

// SQLSTATEs, from PostgreSQL's errcodes.txt.
const (
	invalidPassword      = "28P01"
	invalidAuthorization = "28000" // also: the role does not exist
	noSuchDatabase       = "3D000"
)

func isWrongPassword(err error) bool {
	return hasState(err, invalidPassword) || hasState(err, invalidAuthorization)
}

func hasState(err error, code string) bool {
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pgErr.Code == code
}
