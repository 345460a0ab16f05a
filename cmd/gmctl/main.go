// Command gmctl runs GameMetrics Pro.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/gamemetrics/gmctl/internal/cli/exitcode"
	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/cli/root"
	"github.com/gamemetrics/gmctl/internal/iostreams"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := root.NewCommand(factory.New(iostreams.System())).ExecuteContext(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(exitcode.Of(err))
}
