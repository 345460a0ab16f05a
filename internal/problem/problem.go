// Package problem is the error a person has to act on. It speaks in three
// parts: what failed, why (as the system said it), and what to do next.
package problem

import (
	"errors"
	"fmt"
)

// Kind sorts problems by what a caller does about them. Each kind has one
// exit code, mapped in internal/cli/exitcode and listed in docs/exit-codes.md.
type Kind int

const (
	Failed    Kind = iota // the work was tried and did not succeed
	Usage                 // the command line or the configuration is wrong
	Unhealthy             // the work succeeded; what it looked at is not healthy
	Locked                // another gmctl holds the environment
	Missing               // the machine lacks something gmctl needs
	Declined              // the user said no
	Cancelled             // the user interrupted; the work can go on later
	Changes               // nothing failed: the plan that was asked for has changes
)

// Error is a failure with its cause and its remedy. The zero Next means that
// nothing better is known than to read the cause.
type Error struct {
	What  string // names the thing that failed: "PostgreSQL did not become ready"
	Cause error  // why, as the system said it; may be nil
	Next  string // one imperative sentence: "run: gmctl logs postgres"
	Kind  Kind
}

// Error prints what failed and why, on one line; renderers print Next apart.
func (e *Error) Error() string {
	if e.Cause == nil {
		return e.What
	}
	return fmt.Sprintf("%s: %v", e.What, e.Cause)
}

func (e *Error) Unwrap() error { return e.Cause }

// From returns the outermost Error in err's chain, or one made of err itself.
// It returns nil for nil.
func From(err error) *Error {
	if err == nil {
		return nil
	}
	if p, ok := errors.AsType[*Error](err); ok {
		return p
	}
	return &Error{What: err.Error()}
}
