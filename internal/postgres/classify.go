package postgres

import (
	"errors"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// The SQLSTATEs that are told apart by more than their class.
const (
	stateReadOnly      = "25006"
	stateDuplicateKey  = "23505"
	stateCheck         = "23514" // also: no partition for a row
	stateSerialization = "40001"
	stateDeadlock      = "40P01"
	stateUndefined     = "42P01" // table
	stateNoPrivilege   = "42501"
	stateLockTimeout   = "55P03"
	stateCancelled     = "57014" // also: took longer than statement_timeout
	stateOtherHistory  = "GM001" // of relay_goes_on
)

func sqlState(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code
	}
	return ""
}

// inData reports whether the error lies in a value that was written, so that
// trying again is of no use: data exceptions (22) and integrity violations (23).
func inData(err error) bool {
	state := sqlState(err)
	return (strings.HasPrefix(state, "22") || strings.HasPrefix(state, "23")) && !noPartition(err)
}

// noPartition reports whether a row fell into a day that has no partition.
func noPartition(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.Code == stateCheck && e.ConstraintName == ""
}

// duplicateKey reports whether a row's key is taken.
func duplicateKey(err error) bool { return sqlState(err) == stateDuplicateKey }

// collided reports whether the transaction lost against another one and was
// undone as a whole.
func collided(err error) bool {
	state := sqlState(err)
	return state == stateDeadlock || state == stateSerialization
}

// serverLeft reports whether the connections at hand lead to a server that can
// no longer serve: shut down, starting, or demoted to a standby.
func serverLeft(err error) bool {
	state := sqlState(err)
	return state == stateReadOnly || strings.HasPrefix(state, "57P")
}

// MayPass reports whether the error of a connection, as pgx says it, may be gone
// by itself: the server is not there yet, or busy. What it says of a login, a
// database or a statement stays.
func MayPass(err error) bool {
	state := sqlState(err)
	return state == "" || strings.HasPrefix(state, "08") || strings.HasPrefix(state, "53") || strings.HasPrefix(state, "57")
}
