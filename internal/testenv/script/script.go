// Package script runs what a user types, from files that testscript reads, each
// in a folder and a home of its own. With the test's flag -update the files are
// rewritten to what the commands print; then read the difference.
package script

import (
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/gamemetrics/gmctl/internal/testenv/golden"
)

// Run runs the scripts that p names. Besides testscript's own commands and those
// of p a script has
//
//	exits CODE COMMAND ARGS...    fails unless the command exits with the code
func Run(t *testing.T, p testscript.Params) {
	t.Helper()
	p.UpdateScripts, p.RequireExplicitExec, p.RequireUniqueNames = golden.Updating(), true, true
	setup, commands := p.Setup, p.Cmds
	p.Setup = func(env *testscript.Env) error {
		home := filepath.Join(env.WorkDir, "home")
		env.Setenv("HOME", home)
		env.Setenv("TERM", "dumb")
		if err := os.MkdirAll(home, 0o755); err != nil || setup == nil { // PostgreSQL's user passes through
			return err
		}
		return setup(env)
	}
	p.Cmds = map[string]func(*testscript.TestScript, bool, []string){"exits": exits}
	maps.Copy(p.Cmds, commands)
	testscript.Run(t, p)
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARGS...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}
