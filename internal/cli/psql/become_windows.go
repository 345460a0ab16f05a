package psql

import "context"

// become runs the program to its end: Windows cannot replace a process.
func become(ctx context.Context, path string, args, env []string) error {
	return accompany(ctx, path, args, env)
}
