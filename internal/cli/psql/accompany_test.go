//go:build unix

package psql

import (
	"os"
	"os/signal"
	"testing"

	"github.com/gamemetrics/gmctl/internal/cli/exitcode"
)

// Ctrl-C ends a query of psql, and not the way that its connection takes; psql's exit
// code is gmctl's.
func TestAccompany(t *testing.T) {
	ctx, stop := signal.NotifyContext(t.Context(), os.Interrupt)
	defer stop()
	err := accompany(ctx, "/bin/sh", []string{"psql", "-c", "kill -INT $PPID; sleep 0.2; exit $CODE"}, []string{"CODE=3", "PATH=/usr/bin:/bin"})
	if exitcode.Of(err) != 3 || ctx.Err() != nil {
		t.Errorf("%v, %v", err, ctx.Err())
	}
}
