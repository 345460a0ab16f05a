package confirm

import (
	"context"
	"io"
	"testing"

	"github.com/gamemetrics/gmctl/internal/cli/exitcode"
	"github.com/gamemetrics/gmctl/internal/iostreams"
)

func TestTyped(t *testing.T) {
	for _, c := range []struct {
		name, answer string
		terminal     bool
		want         int
	}{
		{"the word", "local\n", true, exitcode.OK},
		{"the word, untidy", "  local \n", true, exitcode.OK},
		{"another word", "yes\n", true, exitcode.Declined},
		{"nothing", "", true, exitcode.Declined},
		{"no terminal", "local\n", false, exitcode.Declined},
	} {
		t.Run(c.name, func(t *testing.T) {
			streams, in, _, stderr := iostreams.TestTerminal(80, 24, false)
			streams.InTTY = c.terminal
			in.WriteString(c.answer)
			err := Typed(t.Context(), streams, "tear down local", "local")
			if got := exitcode.Of(err); got != c.want {
				t.Errorf("exit code %d (%v), want %d", got, err, c.want)
			}
			if asked := stderr.String() == "Type local to tear down local: "; asked != c.terminal {
				t.Errorf("asked: %q", stderr)
			}
		})
	}
}

func TestTypedIsInterrupted(t *testing.T) {
	streams, _, _, _ := iostreams.TestTerminal(80, 24, false)
	never, w := io.Pipe()
	defer w.Close()
	streams.In = never
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := exitcode.Of(Typed(ctx, streams, "tear down local", "local")); got != exitcode.Cancelled {
		t.Errorf("exit code %d, want %d", got, exitcode.Cancelled)
	}
}
