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
	breaks map[int]string
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
	t := &TableWriter{Paint: paint, w: w, header: header, right: map[int]bool{}, breaks: map[int]string{}}
	if tty {
		t.limit = io.Width()
	}
	return t
}

// Break lets the cells of a column go on in further lines where a row is wider
// than the terminal: they are broken at the separator.
func (t *TableWriter) Break(column int, separator string) *TableWriter {
	t.breaks[column] = separator
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
	rows := t.rows
	widths := t.widths(rows)
	if t.limit > 0 {
		rows = t.broken(rows, widths)
		widths = t.widths(rows)
		shrink(widths, t.limit)
	}
	lines := make([]string, 0, len(rows)+1)
	lines = append(lines, t.Paint(iostreams.Faint, t.line(t.header, widths)))
	for _, row := range rows {
		lines = append(lines, t.line(row, widths))
	}
	return lines
}

// broken returns the rows with the cells of breakable columns spread over
// further rows, as far as that makes the table fit.
func (t *TableWriter) broken(rows [][]string, widths []int) [][]string {
	for column, separator := range t.breaks {
		room := t.limit - (total(widths) - widths[column])
		if room >= widths[column] || room < 2*narrowest {
			continue
		}
		var spread [][]string
		for _, row := range rows {
			if column >= len(row) {
				spread = append(spread, row)
				continue
			}
			for i, part := range pack(row[column], separator, room) {
				further := make([]string, len(row))
				if i == 0 {
					copy(further, row)
				}
				further[column] = part
				spread = append(spread, further)
			}
		}
		rows = spread
	}
	return rows
}

// pack breaks text at separators into parts of at most width columns, where
// that is possible. A separator at a break is left out.
func pack(text, separator string, width int) []string {
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

// widths are the columns' natural widths. A column in which every cell is
// empty gets none and is not printed.
func (t *TableWriter) widths(rows [][]string) []int {
	widths := make([]int, len(t.header))
	for _, row := range rows {
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
