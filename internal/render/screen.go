package render

import (
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/gamemetrics/gmctl/internal/humanize"
)

// Screen redraws a block of lines in place at the bottom of a terminal. Each
// frame is one write that hides the cursor and shows it again, so that nothing
// flickers and the terminal is whole at whatever moment the process dies.
type Screen struct {
	w    io.Writer
	size func() (columns, rows int)

	drawn   []string // the lines on the screen
	columns int      // when they were drawn
	rows    int
}

// NewScreen returns a screen on the terminal w of the given size.
func NewScreen(w io.Writer, size func() (columns, rows int)) *Screen {
	return &Screen{w: w, size: size}
}

const (
	beginFrame = "\x1b[?2026h\x1b[?25l" // synchronized update, where the terminal knows it; cursor off
	endFrame   = "\x1b[?25h\x1b[?2026l"
	eraseLine  = "\x1b[K" // from the cursor to the end of the line
	eraseBelow = "\x1b[J" // from the cursor to the end of the screen
)

// Draw replaces the block by lines, each shortened to the terminal's width.
// Lines beyond the terminal's height are left out and counted in the last one.
func (s *Screen) Draw(lines []string) {
	columns, rows := s.size()
	if room := max(1, rows-1); len(lines) > room {
		left := humanize.Plural(len(lines)-room+1, "more line")
		lines = append(slices.Clone(lines[:room-1]), "… "+left)
	}
	s.replace(lines, columns, rows)
}

// Finish replaces the block by lines for good: they may be more than the
// terminal has rows, and the next Draw begins below them.
func (s *Screen) Finish(lines []string) {
	columns, rows := s.size()
	s.replace(lines, columns, rows)
	s.drawn = nil
}

func (s *Screen) replace(lines []string, columns, rows int) {
	// The last column stays free: some terminals wrap when it is written.
	fitted := make([]string, len(lines))
	for i, line := range lines {
		fitted[i] = Truncate(line, max(1, columns-1))
	}
	if columns == s.columns && rows == s.rows && slices.Equal(fitted, s.drawn) {
		return
	}
	var b strings.Builder
	b.WriteString(beginFrame)
	b.WriteString("\r")
	if up := s.height(columns, rows); up > 0 {
		b.WriteString("\x1b[" + strconv.Itoa(up) + "A")
	}
	for _, line := range fitted {
		b.WriteString(line)
		b.WriteString(eraseLine)
		b.WriteString("\r\n")
	}
	b.WriteString(eraseBelow)
	b.WriteString(endFrame)
	_, _ = io.WriteString(s.w, b.String())
	s.drawn, s.columns, s.rows = fitted, columns, rows
}

// height is the number of rows the drawn block takes now: a terminal that
// became narrower has wrapped the lines that no longer fit.
func (s *Screen) height(columns, rows int) int {
	height := 0
	for _, line := range s.drawn {
		height += max(1, (Width(line)+columns-1)/max(1, columns))
	}
	return min(height, max(0, rows-1))
}
