package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// Explain tells what an error of PostgreSQL means and what to do about it. dsn
// says which server it was; of it only host, port, user and database are shown.
// It returns nil for nil, and a *problem.Error in the chain as it is.
func Explain(err error, dsn string) *problem.Error {
	if err == nil {
		return nil
	}
	if p, ok := errors.AsType[*problem.Error](err); ok {
		return p
	}
	target := targetOf(dsn)
	if p := explainState(err, target); p != nil {
		return p
	}
	if p := explainConnection(err, target); p != nil {
		return p
	}
	return &problem.Error{What: "PostgreSQL at " + target.address + " failed", Cause: plain(err), Next: "look at the server's log"}
}

type target struct{ address, user, database string }

func targetOf(dsn string) target {
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		return target{address: "(unreadable connection string)"}
	}
	address := net.JoinHostPort(cfg.Host, fmt.Sprint(cfg.Port))
	if strings.HasPrefix(cfg.Host, "/") {
		address = cfg.Host
	}
	return target{address: address, user: cfg.User, database: cfg.Database}
}

// Address is the host:port that a connection string names. Its error is a
// *problem.Error of kind Usage.
func Address(dsn string) (string, error) {
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		return "", unreadable(err)
	}
	return net.JoinHostPort(cfg.Host, fmt.Sprint(cfg.Port)), nil
}

func explainState(err error, t target) *problem.Error {
	server, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return nil
	}
	say := func(what, next string) *problem.Error {
		return &problem.Error{What: "PostgreSQL at " + t.address + " " + what, Cause: errors.New(server.Message), Next: next}
	}
	switch server.Code {
	case "28P01", "28000":
		return say("refused the login of "+t.user, "check the user name and the password of the connection string")
	case "3D000":
		return say("has no database "+t.database, "create it: CREATE DATABASE "+pgx.Identifier{t.database}.Sanitize()+" OWNER "+pgx.Identifier{t.user}.Sanitize())
	case "53300":
		return say("has no connection left", "end sessions that are not needed (SELECT * FROM pg_stat_activity), or raise max_connections")
	case "53100":
		return say("has no disk space left", "free space on the server's volume, or grow it; writes go on by themselves then")
	case "53200":
		return say("is out of memory", "lower work_mem or max_connections, or give the server more memory")
	case stateReadOnly:
		return say("is read-only", "it is a standby or was demoted: connect to the primary (target_session_attrs=read-write with several hosts)")
	case stateUndefined, "3F000":
		return say("lacks a table of the platform", "make the schema: gmctl up")
	case stateNoPrivilege:
		return say("does not allow that to "+t.user, "make "+t.user+" the owner of the database, or of the platform's tables")
	case stateCancelled:
		return say("ended a statement that took too long", "look for locks and long transactions: SELECT * FROM pg_stat_activity WHERE state <> 'idle'")
	case "57P01", "57P02":
		return say("is shutting down", "wait until it is back; nothing that was answered with success is lost")
	case "57P03":
		return say("is starting or recovering", "wait: recovery after a crash takes seconds to minutes")
	case stateOtherHistory:
		return say("is another server than the relay has read from, or has another history", "nothing, if it failed over: the relay looks whether all that is published is there, and goes on")
	case stateLockTimeout:
		return say("could not get a lock in time", "look who holds it: SELECT * FROM pg_locks WHERE granted")
	}
	return nil
}

func explainConnection(err error, t target) *problem.Error {
	say := func(what, next string) *problem.Error {
		return &problem.Error{What: what, Cause: plain(err), Next: next}
	}
	at := "PostgreSQL at " + t.address
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return &problem.Error{What: "the host of PostgreSQL is not known: " + dns.Name, Cause: dns, Next: "check the host name in the connection string"}
	}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ENOENT):
		return say("nothing listens at "+t.address, "start PostgreSQL there, or check host and port: gmctl status shows the local one")
	case errors.Is(err, context.DeadlineExceeded), isTimeout(err):
		return say(at+" did not answer in time", "check the network path and the server's load")
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), strings.Contains(err.Error(), "unexpected EOF"):
		return say(at+" closed the connection", "it may be restarting: look at the server's log")
	}
	return nil
}

func isTimeout(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}

// plain is err without what pgx puts before it: the connection's whole
// configuration.
func plain(err error) error {
	if e, ok := errors.AsType[*pgconn.ConnectError](err); ok && e.Unwrap() != nil {
		return e.Unwrap()
	}
	return err
}
