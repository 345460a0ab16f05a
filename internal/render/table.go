package render

import (
	"strings"

	"github.com/gamemetrics/gmctl/internal/iostreams"
)

// columnGap is the number of spaces between two columns.
const columnGap = 2

// narrowest is the number of columns a table's column is never shrunk below.
const narrowest = 8

// TableWriter collects rows and prints them aligned on stdout: a faint header,
// then a line per row. On a terminal the widest columns are shortened until a
// row fits; in a pipe nothing is ever left out.
type TableWriter struct {
	io     *iostreams.IOStreams
	header []string
	right  map[int]bool
	rows   [][]string
}

// NewTable returns a table with the given column titles.
func NewTable(io *iostreams.IOStreams, header ...string) *TableWriter {
	return &TableWriter{io: io, header: header, right: map[int]bool{}}
}

// AlignRight makes the columns of the given index, from 0, flush right.
func (t *TableWriter) AlignRight(columns ...int) *TableWriter {
	for _, column := range columns {
		t.right[column] = true
	}
	return t
}

// Row adds a row. Cells may carry escape codes and must not carry line breaks;
// missing cells are empty.
func (t *TableWriter) Row(cells ...string) {
	t.rows = append(t.rows, cells)
}

// Len is the number of rows.
func (t *TableWriter) Len() int { return len(t.rows) }

// Flush prints the table, and nothing where there are no rows.
func (t *TableWriter) Flush() error {
	lines := t.Lines()
	if len(lines) == 0 {
		return nil
	}
	_, err := t.io.Out.Write([]byte(strings.Join(lines, "\n") + "\n"))
	return err
}

// Lines returns the table's lines without line breaks, the header first.
func (t *TableWriter) Lines() []string {
	if len(t.rows) == 0 {
		return nil
	}
	widths := t.widths()
	if t.io.OutTTY {
		shrink(widths, t.io.Width())
	}
	lines := make([]string, 0, len(t.rows)+1)
	lines = append(lines, t.io.PaintOut(iostreams.Faint, t.line(t.header, widths)))
	for _, row := range t.rows {
		lines = append(lines, t.line(row, widths))
	}
	return lines
}

// widths are the columns' natural widths. A column in which every cell is
// empty gets none and is not printed.
func (t *TableWriter) widths() []int {
	widths := make([]int, len(t.header))
	for _, row := range t.rows {
		for i, cell := range row[:min(len(row), len(widths))] {
			widths[i] = max(widths[i], Width(cell))
		}
	}
	for i, title := range t.header {
		if widths[i] > 0 {
			widths[i] = max(widths[i], Width(title))
		}
	}
	return widths
}

// shrink takes columns from the widest until the whole fits into limit, or
// nothing is left to take.
func shrink(widths []int, limit int) {
	total := -columnGap
	for _, width := range widths {
		if width > 0 {
			total += width + columnGap
		}
	}
	for ; total > limit; total-- {
		widest := 0
		for i, width := range widths {
			if width >= widths[widest] {
				widest = i
			}
		}
		if widths[widest] <= narrowest {
			return
		}
		widths[widest]--
	}
}

func (t *TableWriter) line(cells []string, widths []int) string {
	var b strings.Builder
	for i, width := range widths {
		if width == 0 {
			continue
		}
		cell := ""
		if i < len(cells) {
			cell = Truncate(cells[i], width)
		}
		if t.right[i] {
			cell = PadLeft(cell, width)
		} else {
			cell = Pad(cell, width)
		}
		b.WriteString(cell)
		b.WriteString(strings.Repeat(" ", columnGap))
	}
	return strings.TrimRight(b.String(), " ")
}
