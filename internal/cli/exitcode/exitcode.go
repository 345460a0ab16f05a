// Package exitcode maps a command's error to the code gmctl exits with. It is
// the only place that does; docs/exit-codes.md lists the codes for users.
package exitcode

import (
	"context"
	"errors"
	"strconv"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// The exit codes of gmctl. They are part of its interface: scripts rely on them.
const (
	OK        = 0
	Failed    = 1
	Usage     = 2
	Unhealthy = 3
	Locked    = 4
	Missing   = 5
	Declined  = 6
	Changes   = 10  // only with gmctl plan --detailed-exitcode
	Cancelled = 130 // as a shell reports a process ended by Ctrl-C
)

// Code is an exit code under its name.
type Code struct {
	Number int
	Name   string
}

// String is the code as docs/exit-codes.md lists it.
func (c Code) String() string { return strconv.Itoa(c.Number) + " " + c.Name }

// All returns every exit code in ascending order.
func All() []Code {
	return []Code{
		{OK, "OK"}, {Failed, "Failed"}, {Usage, "Usage"}, {Unhealthy, "Unhealthy"}, {Locked, "Locked"},
		{Missing, "Missing"}, {Declined, "Declined"}, {Changes, "Changes"}, {Cancelled, "Cancelled"},
	}
}

// Other is that a program which gmctl ran for the user ended with this code: it
// is gmctl's too.
type Other int

func (o Other) Error() string { return "exit code " + strconv.Itoa(int(o)) }

// Of returns the exit code for err.
func Of(err error) int {
	if err == nil {
		return OK
	}
	if p, ok := errors.AsType[*problem.Error](err); ok {
		switch p.Kind {
		case problem.Usage:
			return Usage
		case problem.Unhealthy:
			return Unhealthy
		case problem.Locked:
			return Locked
		case problem.Missing:
			return Missing
		case problem.Declined:
			return Declined
		case problem.Changes:
			return Changes
		case problem.Cancelled:
			return Cancelled
		}
	}
	if other, ok := errors.AsType[Other](err); ok {
		return int(other)
	}
	if errors.Is(err, context.Canceled) {
		return Cancelled
	}
	return Failed
}
