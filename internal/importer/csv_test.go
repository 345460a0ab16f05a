package importer

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"github.com/gamemetrics/gmctl/internal/problem"
)

func reading(content string) *lineReader {
	return newLineReader(&source{content: bufio.NewReader(strings.NewReader(content)), read: &atomic.Int64{}})
}

func recordsOf(content string) []record {
	reader := &csvReader{lines: reading(content), delimiter: ','}
	var all []record
	for {
		r, ok := reader.next()
		if !ok {
			return all
		}
		all = append(all, r)
	}
}

func TestWhatIsWrittenAsCSVIsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cell := rapid.StringOfN(rapid.SampledFrom([]rune("ab\", \n;é")), 0, 8, -1)
		rows := rapid.SliceOfN(rapid.SliceOfN(cell, 2, 4), 1, 6).Draw(t, "rows")
		var out bytes.Buffer
		w := csv.NewWriter(&out)
		w.UseCRLF = rapid.Bool().Draw(t, "CRLF")
		if err := w.WriteAll(rows); err != nil {
			t.Fatal(err)
		}
		line := int64(1)
		records := recordsOf(out.String())
		if len(records) != len(rows) {
			t.Fatalf("%d records of %d rows", len(records), len(rows))
		}
		for i, r := range records {
			if r.defect != "" || !slices.Equal(r.fields, rows[i]) || r.line != line {
				t.Fatalf("record %d at line %d: %q %s, want %q at %d", i, r.line, r.fields, r.defect, rows[i], line)
			}
			line = r.end.Line + 1
		}
		if end := records[len(records)-1].end.Offset; end != int64(out.Len()) {
			t.Fatalf("it ends at %d of %d bytes", end, out.Len())
		}
	})
}

// Garbage never stops the reader, and every line is accounted for.
func TestEveryLineOfGarbageIsInOneRecord(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		content := rapid.StringOf(rapid.SampledFrom([]rune("ab\"\",,\n\r"))).Draw(t, "content")
		at := position{}
		for _, r := range recordsOf(content) {
			if r.line != at.Line+1 || r.end.Line < r.line || r.end.Offset <= at.Offset {
				t.Fatalf("record at line %d ends at %+v, the one before at %+v", r.line, r.end, at)
			}
			if (r.defect == "") != (r.fields != nil) {
				t.Fatalf("record %+v has a defect and fields, or neither", r)
			}
			at = r.end
		}
		if at.Offset != int64(len(content)) {
			t.Fatalf("it ends at %d of %d bytes", at.Offset, len(content))
		}
	})
}

func TestAStrayQuoteCostsOneLine(t *testing.T) {
	content := "a,\"b\n" + strings.Repeat("c,d\n", 100_000)
	records := recordsOf(content)
	if len(records) != 100_001 || records[0].defect == "" || records[1].defect != "" || records[1].line != 2 {
		t.Fatalf("%d records, the first %+v", len(records), records[0])
	}
}

func TestColumns(t *testing.T) {
	for _, test := range []struct {
		name   string
		header string
		mapped map[string]string
		row    string
		want   string // JSON, or what the problem says
	}{
		{"canonical", "eventId,playerId,eventType,timestamp", nil, "1,p,t,now", `{"eventId":"1","playerId":"p","eventType":"t","timestamp":"now"}`},
		{"snake case and any order", "event_type,PLAYER_ID,Timestamp", nil, "t,p,now", `{"playerId":"p","eventType":"t","timestamp":"now"}`},
		{"mapped", "who,what,when", map[string]string{"who": "playerId", "what": "eventType", "when": "timestamp"}, "p,t,now", `{"playerId":"p","eventType":"t","timestamp":"now"}`},
		{"metadata members", "playerId,eventType,timestamp,metadata.level,metadata.pos.x,metadata.pos.y,metadata.name", nil, "p,t,now,3,1.5,,Ann \"\"A\"\"", `{"playerId":"p","eventType":"t","timestamp":"now","metadata":{"level":3,"pos":{"x":1.5},"name":"Ann \"\"A\"\""}}`},
		{"kinds of values", "playerId,eventType,timestamp,metadata.a,metadata.b,metadata.c,metadata.d,metadata.e,metadata.f", nil, "p,t,now,true,007,-1,76561198000000000,1e9,null", `{"playerId":"p","eventType":"t","timestamp":"now","metadata":{"a":true,"b":"007","c":-1,"d":"76561198000000000","e":"1e9","f":"null"}}`},
		{"empty metadata", "playerId,eventType,timestamp,metadata.a", nil, "p,t,now,", `{"playerId":"p","eventType":"t","timestamp":"now"}`},
		{"metadata as JSON", "playerId;eventType;timestamp;metadata", nil, `p;t;now;{"a":[1,2]}`, `{"playerId":"p","eventType":"t","timestamp":"now","metadata":{"a":[1,2]}}`},
		{"metadata that is no JSON", "playerId,eventType,timestamp,metadata", nil, "p,t,now,{a", "metadata must be one JSON object"},
		{"left out", "playerId,eventType,timestamp,secret", map[string]string{"secret": "-"}, "p,t,now,x", `{"playerId":"p","eventType":"t","timestamp":"now"}`},
		{"unknown column", "playerId,eventType,timestamp,level", nil, "", `column "level" that is no field`},
		{"missing column", "playerId,eventType", nil, "", "no column for timestamp"},
		{"two columns for a field", "playerId,player_id,eventType,timestamp", nil, "", "two columns for playerId"},
		{"columns that collide", "playerId,eventType,timestamp,metadata.a,metadata.a.b", nil, "", "collide at metadata.a.b"},
		{"metadata twice", "playerId,eventType,timestamp,metadata,metadata.a", nil, "", "both a column metadata and columns metadata.*"},
		{"mapping of a column that is not there", "playerId,eventType,timestamp", map[string]string{"x": "playerId"}, "", `no column "x"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			delimiter := ","
			if strings.Contains(test.header, ";") {
				delimiter = ";"
			}
			c, err := newColumns(strings.Split(test.header, delimiter), test.mapped)
			if err != nil {
				if p := problem.From(err); !strings.Contains(p.What, test.want) || p.Next == "" || p.Kind != problem.Usage {
					t.Fatalf("%v (next: %s)", err, p.Next)
				}
				return
			}
			got, err := c.json(strings.Split(test.row, delimiter))
			if err != nil {
				got = []byte(err.Error())
			}
			if string(got) != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestFormatOf(t *testing.T) {
	for path, want := range map[string]Format{
		"a.ndjson": NDJSON, "a.jsonl.gz": NDJSON, "a.csv": CSV, "/x/A.CSV.GZ": CSV, "a.csv.zst": CSV, "-": NDJSON, "csv": NDJSON,
	} {
		if got := FormatOf(path); got != want {
			t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
}
