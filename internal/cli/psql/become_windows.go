package psql

import (
	"context"
	"os"
	"os/exec"
)

// become runs the program to its end: Windows cannot replace a process.
func become(ctx context.Context, path string, args, env []string) error {
	command := exec.CommandContext(ctx, path, args[1:]...)
	command.Env, command.Stdin, command.Stdout, command.Stderr = env, os.Stdin, os.Stdout, os.Stderr
	return command.Run()
}
