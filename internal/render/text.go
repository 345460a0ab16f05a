package render

import (
	"strings"

	"github.com/mattn/go-runewidth"
)

// Width is the number of terminal columns s takes; escape codes take none.
func Width(s string) int {
	if !strings.Contains(s, "\x1b") {
		return runewidth.StringWidth(s)
	}
	width := 0
	for text := range segments(s) {
		if !strings.HasPrefix(text, "\x1b") {
			width += runewidth.StringWidth(text)
		}
	}
	return width
}

// Truncate returns s in at most width columns, ending in … where something was
// left out. Escape codes are kept, so a style that was begun also ends.
func Truncate(s string, width int) string {
	if width <= 0 {
		return ""
	}
	if Width(s) <= width {
		return s
	}
	var b strings.Builder
	left, cut := width, false
	for text := range segments(s) {
		switch {
		case strings.HasPrefix(text, "\x1b"):
			b.WriteString(text)
		case cut:
		case runewidth.StringWidth(text) < left:
			b.WriteString(text)
			left -= runewidth.StringWidth(text)
		default:
			b.WriteString(runewidth.Truncate(text+"…", left, "…"))
			cut = true
		}
	}
	return b.String()
}

// Pad returns s filled with spaces on the right up to width columns.
func Pad(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-Width(s)))
}

// PadLeft returns s filled with spaces on the left up to width columns.
func PadLeft(s string, width int) string {
	return strings.Repeat(" ", max(0, width-Width(s))) + s
}

// Wrap breaks text between words into lines of at most width columns; a word
// that is longer stands on a line of its own. Line breaks of the text stay.
func Wrap(text string, width int) []string {
	var lines []string
	for paragraph := range strings.SplitSeq(text, "\n") {
		line := ""
		for word := range strings.FieldsSeq(paragraph) {
			if line != "" && Width(line)+1+Width(word) > width {
				lines, line = append(lines, line), ""
			}
			if line != "" {
				line += " "
			}
			line += word
		}
		lines = append(lines, line)
	}
	return lines
}

// Pack breaks text at separators into parts of at most width columns, where
// that is possible. A separator at a break is left out.
func Pack(text, separator string, width int) []string {
	var parts []string
	for i, piece := range strings.Split(text, separator) {
		last := len(parts) - 1
		if i > 0 && Width(parts[last])+Width(separator)+Width(piece) <= width {
			parts[last] += separator + piece
		} else {
			parts = append(parts, piece)
		}
	}
	return parts
}

// OneLine returns text without line breaks and control characters, so that
// what a system said cannot move the cursor.
func OneLine(text string) string {
	clean := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0) {
			return ' '
		}
		return r
	}, text)
	return strings.Join(strings.Fields(clean), " ")
}

// segments yields s in pieces that are either one CSI escape code or plain text.
func segments(s string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for s != "" {
			end := strings.IndexByte(s, 0x1b)
			switch {
			case end < 0:
				end = len(s)
			case end == 0:
				end = escapeLength(s)
			}
			if !yield(s[:end]) {
				return
			}
			s = s[end:]
		}
	}
}

// escapeLength is the length of the escape code that s begins with.
func escapeLength(s string) int {
	if len(s) < 2 || s[1] != '[' {
		return 1
	}
	for i := 2; i < len(s); i++ {
		if s[i] >= 0x40 && s[i] <= 0x7e {
			return i + 1
		}
	}
	return len(s)
}
