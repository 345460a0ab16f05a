// Package cli is gmctl as a program: signals, the command line, an exit code.
// Below it is one package per noun of the command line; testdata/script holds
// what a user types and sees.
package cli

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/cli/root"
	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/kube"
)

// Main runs the process's command line and returns the code to exit with.
func Main() int {
	ctx, stop := untilInterrupted()
	defer stop()
	kube.Quiet()
	return root.Execute(ctx, factory.New(iostreams.System()), os.Args[1:])
}

// untilInterrupted returns a context that the first interrupt cancels, so that a
// command ends cleanly; the second interrupt ends the process at once.
func untilInterrupted() (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}
