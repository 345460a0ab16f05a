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

	color    bool // of what is written to Err
	colorOut bool // of what is written to Out
	width    func() int
	height   func() int
}

// System returns the streams of this process. NO_COLOR, CLICOLOR_FORCE and
// TERM=dumb are honoured.
func System() *IOStreams {
	tty := func(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }
	s := &IOStreams{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
		InTTY: tty(os.Stdin), OutTTY: tty(os.Stdout), ErrTTY: tty(os.Stderr),
		width:  func() int { w, _ := terminalSize(); return w },
		height: func() int { _, h := terminalSize(); return h },
	}
	if os.Getenv("NO_COLOR") == "" {
		force := os.Getenv("CLICOLOR_FORCE")
		forced := force != "" && force != "0"
		capable := os.Getenv("TERM") != "dumb"
		s.color = (s.ErrTTY && capable) || forced
		s.colorOut = (s.OutTTY && capable) || forced
	}
	return s
}

// terminalSize returns the size in columns and rows, 80 by 24 where there is
// no terminal.
func terminalSize() (width, height int) {
	for _, f := range []*os.File{os.Stderr, os.Stdout} {
		if w, h, err := term.GetSize(int(f.Fd())); err == nil && w > 0 && h > 0 {
			return w, h
		}
	}
	return 80, 24
}

// Test returns streams over buffers, none a terminal.
func Test() (s *IOStreams, in, out, err *bytes.Buffer) {
	in, out, err = &bytes.Buffer{}, &bytes.Buffer{}, &bytes.Buffer{}
	return &IOStreams{
		In: in, Out: out, Err: err,
		width:  func() int { return 100 },
		height: func() int { return 24 },
	}, in, out, err
}

// TestTerminal returns streams over buffers that say they are a terminal of
// the given size, in columns and rows, with colour on or off.
func TestTerminal(width, height int, color bool) (s *IOStreams, in, out, err *bytes.Buffer) {
	s, in, out, err = Test()
	s.InTTY, s.OutTTY, s.ErrTTY = true, true, true
	s.color, s.colorOut = color, color
	s.width = func() int { return width }
	s.height = func() int { return height }
	return s, in, out, err
}

// Width is the terminal's width in columns, 80 where there is none.
func (s *IOStreams) Width() int { return s.width() }

// Height is the terminal's height in rows, 24 where there is none.
func (s *IOStreams) Height() int { return s.height() }

// Live reports whether status may be redrawn in place.
func (s *IOStreams) Live() bool { return s.ErrTTY && os.Getenv("TERM") != "dumb" }

// LiveOut reports whether data may be redrawn in place.
func (s *IOStreams) LiveOut() bool { return s.OutTTY && os.Getenv("TERM") != "dumb" }

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

// Paint wraps text for Err in the style's escape codes, or returns it as it is
// where colour is off.
func (s *IOStreams) Paint(style Style, text string) string {
	return paint(s.color, style, text)
}

// PaintOut is Paint for what is written to Out, which may be a pipe while Err
// is a terminal.
func (s *IOStreams) PaintOut(style Style, text string) string {
	return paint(s.colorOut, style, text)
}

func paint(on bool, style Style, text string) string {
	if !on || text == "" {
		return text
	}
	return "\x1b[" + string(style) + "m" + text + "\x1b[0m"
}
