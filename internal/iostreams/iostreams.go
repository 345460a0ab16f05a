// Package iostreams owns the terminal: standard streams, whether they are a
// terminal, colour and width. No command asks os.Stdout anything itself.
// Data goes to Out, status to Err.
package iostreams

import (
	"bytes"
	"io"
	"os"

	"golang.org/x/term"
)

// IOStreams is what a command reads from and writes to.
type IOStreams struct {
	In  io.Reader
	Out io.Writer // data
	Err io.Writer // status

	InTTY  bool
	OutTTY bool
	ErrTTY bool

	color bool
	width func() int
}

// System returns the streams of this process. NO_COLOR, CLICOLOR_FORCE and
// TERM=dumb are honoured.
func System() *IOStreams {
	tty := func(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }
	s := &IOStreams{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
		InTTY: tty(os.Stdin), OutTTY: tty(os.Stdout), ErrTTY: tty(os.Stderr),
		width: func() int {
			for _, f := range []*os.File{os.Stderr, os.Stdout} {
				if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
					return w
				}
			}
			return 80
		},
	}
	force := os.Getenv("CLICOLOR_FORCE")
	s.color = (s.ErrTTY && os.Getenv("TERM") != "dumb" && os.Getenv("NO_COLOR") == "") ||
		(force != "" && force != "0" && os.Getenv("NO_COLOR") == "")
	return s
}

// Test returns streams over buffers, none a terminal.
func Test() (s *IOStreams, in, out, err *bytes.Buffer) {
	in, out, err = &bytes.Buffer{}, &bytes.Buffer{}, &bytes.Buffer{}
	return &IOStreams{In: in, Out: out, Err: err, width: func() int { return 100 }}, in, out, err
}

// Width is the terminal's width in columns, 80 where there is none.
func (s *IOStreams) Width() int { return s.width() }

// Live reports whether status may be redrawn in place.
func (s *IOStreams) Live() bool { return s.ErrTTY && os.Getenv("TERM") != "dumb" }

// Style is a way to print text on a terminal.
type Style string

const (
	Bold   Style = "1"
	Faint  Style = "2"
	Red    Style = "31"
	Green  Style = "32"
	Yellow Style = "33"
	Cyan   Style = "36"
)

// Paint wraps text in the style's escape codes, or returns it as it is where
// colour is off.
func (s *IOStreams) Paint(style Style, text string) string {
	if !s.color || text == "" {
		return text
	}
	return "\x1b[" + string(style) + "m" + text + "\x1b[0m"
}
