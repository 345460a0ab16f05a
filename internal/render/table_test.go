package render

import (
	"testing"

	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/testenv/golden"
)

func fill(table *TableWriter, io *iostreams.IOStreams) {
	table.AlignRight(2)
	table.Row("postgres", io.PaintOut(iostreams.Green, "● ready"), "3m", "postgres://gamemetrics@127.0.0.1:5432/gamemetrics", "")
	table.Row("kafka", io.PaintOut(iostreams.Red, "✗ down"), "12s", "127.0.0.1:9092")
}

func TestTable(t *testing.T) {
	for _, c := range []struct {
		name string
		io   func() *iostreams.IOStreams
	}{
		{"pipe", func() *iostreams.IOStreams { io, _, _, _ := iostreams.Test(); return io }},
		{"color", func() *iostreams.IOStreams { io, _, _, _ := iostreams.TestTerminal(100, 24, true); return io }},
		{"narrow", func() *iostreams.IOStreams { io, _, _, _ := iostreams.TestTerminal(44, 24, false); return io }},
	} {
		t.Run(c.name, func(t *testing.T) {
			io := c.io()
			table := NewTable(io, "STAGE", "STATE", "SINCE", "ENDPOINT", "NOTE")
			fill(table, io)
			if err := table.Flush(); err != nil {
				t.Fatal(err)
			}
			golden.Check(t, "table-"+c.name+".golden", io.Out.(interface{ String() string }).String())
			if c.name == "narrow" {
				for _, line := range table.Lines() {
					if Width(line) > 44 {
						t.Errorf("%q is wider than the terminal", line)
					}
				}
			}
		})
	}
}

func TestTableWithoutRowsIsNothing(t *testing.T) {
	io, _, out, _ := iostreams.Test()
	if err := NewTable(io, "STAGE").Flush(); err != nil || out.Len() != 0 {
		t.Errorf("got %q, %v", out, err)
	}
}
