package psql

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/gamemetrics/gmctl/internal/cli/exitcode"
	"github.com/gamemetrics/gmctl/internal/render"
)

// accompany runs psql to its end, with the terminal. Ctrl-C and the end of the
// terminal are for psql, which gets them too; then this process goes on to its end.
func accompany(ctx context.Context, path string, args, env []string) error {
	signal.Reset(os.Interrupt) // it would end ctx
	unheard := make(chan os.Signal, 1)
	signal.Notify(unheard, os.Interrupt, syscall.SIGHUP)
	defer signal.Stop(unheard)
	command := exec.CommandContext(ctx, path, args[1:]...)
	command.Env, command.Stdin, command.Stdout, command.Stderr = env, os.Stdin, os.Stdout, os.Stderr //nolint:forbidigo // the terminal itself is for psql
	err := command.Run()
	if ended, ok := errors.AsType[*exec.ExitError](err); ok && ended.ExitCode() > 0 {
		return render.Shown(exitcode.Other(ended.ExitCode()))
	}
	return err
}
