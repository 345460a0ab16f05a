package render

import (
	"io"
	"strings"

	"github.com/gamemetrics/gmctl/internal/iostreams"
)

// columnGap is the number of spaces between two columns.
const columnGap = 2

// narrowest is the number of columns a table's column is never shrunk below.
const narrowest = 8

// TableWriter collects rows and prints them aligned: a faint header, then a
// line per row. On a terminal the widest columns are shortened until a row
// fits; in a pipe nothing is ever left out.
type TableWriter struct {
	// Paint styles text for the stream the table is printed on.
	Paint Painter

	w      io.Writer
	limit  int // of a line's width; 0: none
	header []string
	right  map[int]bool
	rows   [][]string
}

// NewTable returns a table of data, on stdout, with the given column titles.
func NewTable(io *iostreams.IOStreams, header ...string) *TableWriter {
	return newTable(io.Out, io.OutTTY, io, io.PaintOut, header)
}

// NewStatusTable returns a table on stderr, such as the plan before a question.
func NewStatusTable(io *iostreams.IOStreams, header ...string) *TableWriter {
	return newTable(io.Err, io.ErrTTY, io, io.Paint, header)
}

func newTable(w io.Writer, tty bool, io *iostreams.IOStreams, paint Painter, header []string) *TableWriter {
	t := &TableWriter{Paint: paint, w: w, header: header, right: map[int]bool{}}
	if tty {
		t.limit = io.Width()
	}
	return t
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

// Fits reports whether the table can be printed without shortening a cell.
func (t *TableWriter) Fits() bool { return t.limit == 0 || total(t.widths()) <= t.limit }

// Flush prints the table, and nothing where there are no rows.
func (t *TableWriter) Flush() error {
	lines := t.Lines()
	if len(lines) == 0 {
		return nil
	}
	_, err := io.WriteString(t.w, strings.Join(lines, "\n")+"\n")
	return err
}

// Lines returns the table's lines without line breaks, the header first.
func (t *TableWriter) Lines() []string {
	if len(t.rows) == 0 {
		return nil
	}
	widths := t.widths()
	if t.limit > 0 {
		shrink(widths, t.limit)
	}
	lines := make([]string, 0, len(t.rows)+1)
	lines = append(lines, t.Paint(iostreams.Faint, t.line(t.header, widths)))
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
	for over := total(widths) - limit; over > 0; over-- {
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

// total is the width of a line.
func total(widths []int) int {
	total := -columnGap
	for _, width := range widths {
		if width > 0 {
			total += width + columnGap
		}
	}
	return total
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
