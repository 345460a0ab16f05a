package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// crash is the error of a stage whose code panicked.
type crash struct {
	value any
	stack string
}

func (c *crash) Error() string { return fmt.Sprintf("panic: %v", c.value) }

// protect calls a stage's code in a goroutine of its own, waits for it, and
// turns a panic or a runtime.Goexit into an error, so that one broken stage
// fails alone.
func protect(call func() error) error {
	result := make(chan error, 1)
	go func() {
		var err error
		returned := false
		defer func() {
			if value := recover(); value != nil {
				err = &crash{value, string(debug.Stack())}
			} else if !returned {
				err = &crash{"the stage ended its goroutine", string(debug.Stack())}
			}
			result <- err
		}()
		err = call()
		returned = true
	}()
	return <-result
}

// stageProblem says which stage err is of. What the stage itself has said in
// three parts stays as it is.
func stageProblem(stage, did string, err error) *problem.Error {
	if broken, ok := errors.AsType[*crash](err); ok {
		return &problem.Error{
			What: fmt.Sprintf("stage %s crashed: this is a fault of gmctl", stage), Cause: broken,
			Next: "report it with what is in: gmctl history -o json",
		}
	}
	if p, ok := errors.AsType[*problem.Error](err); ok {
		return p
	}
	return &problem.Error{What: fmt.Sprintf("stage %s %s", stage, did), Cause: err}
}

// recorded is p in one string, for the journal.
func recorded(p *problem.Error) string {
	if p == nil {
		return ""
	}
	text := p.Error()
	if broken, ok := errors.AsType[*crash](p); ok {
		text += "\n" + broken.stack
	}
	return text
}

// timedOut reports whether ctx ended by its deadline and not by the user.
func timedOut(ctx context.Context) bool { return errors.Is(ctx.Err(), context.DeadlineExceeded) }
