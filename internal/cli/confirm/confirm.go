// Package confirm asks a person before something that cannot be undone.
package confirm

import (
	"bufio"
	"context"
	"fmt"
	"strings"

	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/problem"
)

// Typed asks the user to type word, and returns nil if they did. Where nobody
// can be asked, and for another answer, it is a problem.Declined; what names
// what is asked for, as in "tear down local".
//
// The goroutine that reads the answer is left behind when ctx ends first: a
// read of a terminal cannot be interrupted. A command ends then, and the
// process with it.
func Typed(ctx context.Context, io *iostreams.IOStreams, what, word string) error {
	if !io.InTTY || !io.ErrTTY {
		return &problem.Error{
			What: "nobody is here to confirm: " + what,
			Next: "add --yes to do it without being asked",
			Kind: problem.Declined,
		}
	}
	fmt.Fprintf(io.Err, "Type %s to %s: ", io.Paint(iostreams.Bold, word), what)
	answers := make(chan string, 1)
	go func() {
		answer, _ := bufio.NewReader(io.In).ReadString('\n')
		answers <- strings.TrimSpace(answer)
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(io.Err)
		return &problem.Error{What: "interrupted, nothing was changed", Kind: problem.Cancelled}
	case answer := <-answers:
		if answer == word {
			return nil
		}
		return &problem.Error{
			What: fmt.Sprintf("not confirmed, nothing was changed: %q is not %q", answer, word),
			Kind: problem.Declined,
		}
	}
}
