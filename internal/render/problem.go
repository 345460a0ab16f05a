package render

import (
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/problem"
)

// ProblemDocument is a problem's three parts in a JSON or YAML document.
type ProblemDocument struct {
	What string `json:"what"`           // names what failed
	Why  string `json:"why,omitempty"`  // the cause, as the system said it
	Next string `json:"next,omitempty"` // what to do
}

// NewProblemDocument returns p for a document; nil for nil.
func NewProblemDocument(p *problem.Error) *ProblemDocument {
	if p == nil {
		return nil
	}
	d := &ProblemDocument{What: p.What, Next: nextOf(p)}
	if p.Cause != nil {
		d.Why = p.Cause.Error()
	}
	return d
}

// shown marks an error that the user has read already.
type shown struct{ error }

func (s shown) Unwrap() error { return s.error }

// Shown returns err such that Problem prints nothing for it: the user has read
// it in the progress of the run. It keeps its exit code. Shown(nil) is nil.
func Shown(err error) error {
	if err == nil {
		return nil
	}
	return shown{err}
}

// WasShown reports whether the user has read err already.
func WasShown(err error) bool {
	_, ok := errors.AsType[shown](err)
	return ok
}

// Problem prints err on stderr in its three parts. It prints nothing for nil
// and for an error that was Shown.
//
//	✗ PostgreSQL did not become ready
//	  why:  port 5432 answers with another server's protocol
//	  next: stop what listens there: ss -ltnp 'sport = :5432'
func Problem(io *iostreams.IOStreams, err error) {
	if err == nil || WasShown(err) {
		return
	}
	lines := ProblemLines(io.Paint, problem.From(err), textWidth(io.ErrTTY, io))
	_, _ = io.Err.Write([]byte(strings.Join(lines, "\n") + "\n"))
}

// ProblemLine is Problem as one JSON object on a line of stderr, for
// --log-format json.
func ProblemLine(io *iostreams.IOStreams, err error) {
	if err == nil || WasShown(err) {
		return
	}
	encoded, marshalErr := json.Marshal(EventDocument{
		APIVersion: APIVersion, Kind: "Event", Event: "error",
		Time: time.Now().UTC(), Problem: NewProblemDocument(problem.From(err)),
	})
	if marshalErr == nil {
		_, _ = io.Err.Write(append(encoded, '\n'))
	}
}

// Painter is IOStreams.Paint or IOStreams.PaintOut.
type Painter func(iostreams.Style, string) string

// ProblemLines returns a problem's three parts as lines of at most width
// columns; 0 does not limit them.
func ProblemLines(paint Painter, p *problem.Error, width int) []string {
	lines := labelled(paint(iostreams.Red, "✗")+" ", 2, p.What, width)
	if p.Cause != nil {
		lines = append(lines, labelled("  "+paint(iostreams.Faint, "why:")+"  ", 8, p.Cause.Error(), width)...)
	}
	if next := nextOf(p); next != "" {
		lines = append(lines, labelled("  "+paint(iostreams.Cyan, "next:")+" ", 8, next, width)...)
	}
	return lines
}

// nextOf is p's remedy, or that of the problem that caused it.
func nextOf(p *problem.Error) string {
	for p.Next == "" {
		cause, ok := errors.AsType[*problem.Error](p.Cause)
		if !ok {
			return ""
		}
		p = cause
	}
	return p.Next
}

// labelled returns text after label, its further lines indented to the label's
// width of indent columns.
func labelled(label string, indent int, text string, width int) []string {
	text = strings.TrimRight(text, "\n ")
	var parts []string
	for line := range strings.SplitSeq(text, "\n") {
		// A line's own indentation stays: it may be a marked line of a file.
		deeper := line[:len(line)-len(strings.TrimLeft(line, " "))]
		wrapped := []string{OneLine(line)}
		if width > 0 {
			wrapped = Wrap(wrapped[0], max(20, width-indent-len(deeper)))
		}
		for _, part := range wrapped {
			parts = append(parts, deeper+part)
		}
	}
	for i := range parts {
		if i == 0 {
			parts[i] = label + parts[i]
		} else {
			parts[i] = strings.Repeat(" ", indent) + parts[i]
		}
	}
	return parts
}

// textWidth is the width prose is wrapped to: the terminal's, at most 100
// columns; 0 (not wrapped) where there is no terminal.
func textWidth(tty bool, io *iostreams.IOStreams) int {
	if !tty {
		return 0
	}
	return min(100, io.Width()-1)
}
