package render

import (
	"fmt"
	"strings"
	"testing"

	"github.com/mattn/go-runewidth"
)

// terminal is as much of a terminal as the live views use. It fails the test on
// an escape code it does not know, rather than to show something wrong.
type terminal struct {
	t             *testing.T
	columns, rows int
	history       []string // lines scrolled off the top
	screen        [][]rune
	x, y          int
	cursorOff     bool
	wrapped       int // lines that did not fit
	frames        int
}

func newTerminal(t *testing.T, columns, rows int) *terminal {
	term := &terminal{t: t, columns: columns, rows: rows}
	term.screen = make([][]rune, rows)
	return term
}

func (v *terminal) Write(p []byte) (int, error) {
	v.frames++
	for text := range segments(string(p)) {
		if strings.HasPrefix(text, "\x1b") {
			v.escape(text)
			continue
		}
		for _, r := range text {
			v.put(r)
		}
	}
	return len(p), nil
}

func (v *terminal) escape(code string) {
	argument, final := 1, code[len(code)-1]
	_, _ = fmt.Sscanf(code, "\x1b[%d", &argument)
	switch {
	case final == 'm', strings.HasPrefix(code, "\x1b[?2026"):
	case code == "\x1b[?25l":
		v.cursorOff = true
	case code == "\x1b[?25h":
		v.cursorOff = false
	case final == 'A':
		v.y = max(0, v.y-argument)
	case code == "\x1b[K":
		v.screen[v.y] = v.screen[v.y][:min(v.x, len(v.screen[v.y]))]
	case code == "\x1b[J":
		v.screen[v.y] = v.screen[v.y][:min(v.x, len(v.screen[v.y]))]
		for y := v.y + 1; y < v.rows; y++ {
			v.screen[y] = nil
		}
	default:
		v.t.Errorf("the terminal does not know the escape code %q", code)
	}
}

func (v *terminal) put(r rune) {
	switch r {
	case '\r':
		v.x = 0
		return
	case '\n':
		v.newline()
		return
	}
	width := runewidth.RuneWidth(r)
	if v.x+width > v.columns {
		v.wrapped++
		v.x = 0
		v.newline()
	}
	line := v.screen[v.y]
	for len(line) < v.x+width {
		line = append(line, ' ')
	}
	line[v.x] = r
	for i := 1; i < width; i++ {
		line[v.x+i] = 0
	}
	v.screen[v.y] = line
	v.x += width
}

func (v *terminal) newline() {
	if v.y < v.rows-1 {
		v.y++
		return
	}
	v.history = append(v.history, v.text(0))
	copy(v.screen, v.screen[1:])
	v.screen[v.rows-1] = nil
}

// resize changes the size as terminals that reflow do: a line that no longer
// fits is wrapped, and what no longer fits above goes into the history.
func (v *terminal) resize(columns, rows int) {
	var lines []string
	for y := 0; y <= v.y; y++ {
		line := []rune(v.text(y))
		for len(line) > columns {
			lines = append(lines, string(line[:columns]))
			line = line[columns:]
		}
		lines = append(lines, string(line))
	}
	over := max(0, len(lines)-rows)
	v.history = append(v.history, lines[:over]...)
	v.columns, v.rows = columns, rows
	v.screen = make([][]rune, rows)
	for y, line := range lines[over:] {
		v.screen[y] = []rune(line)
	}
	v.y, v.x = len(lines)-over-1, 0
}

func (v *terminal) text(y int) string {
	return strings.TrimRight(strings.ReplaceAll(string(v.screen[y]), "\x00", ""), " ")
}

// String is the screen without trailing empty lines.
func (v *terminal) String() string {
	var lines []string
	for y := range v.screen {
		lines = append(lines, v.text(y))
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n") + "\n"
}

// all is the history and the screen.
func (v *terminal) all() string {
	if len(v.history) == 0 {
		return v.String()
	}
	return strings.Join(v.history, "\n") + "\n" + v.String()
}
