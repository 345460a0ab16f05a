package importer

import (
	"bufio"
	"errors"
	"io"
)

// MaxRecord is the longest record that is read as a whole, in bytes; the
// service takes no event as large. Of a longer one keptOfLong bytes are kept.
const (
	MaxRecord  = 1 << 20
	keptOfLong = 4 << 10
)

// record is one line of NDJSON or one (possibly multi-line) record of CSV.
type record struct {
	line   int64    // number of its first line in the file, from 1
	text   []byte   // without the line end; of a too long one the beginning
	fields []string // of a CSV record
	length int64    // of the whole, in bytes
	defect string   // why the framer could not make a record of it; else empty
	end    position // where the next record begins
}

// position is a place between two records.
type position struct {
	Line   int64 `json:"line"`   // how many lines are before it
	Offset int64 `json:"offset"` // in bytes of the decompressed stream
}

// lineReader cuts a source into lines. LF and CRLF end a line; the last may
// lack its end.
type lineReader struct {
	src *source
	at  position
	err error // what ended the stream, io.EOF at its regular end
}

func newLineReader(src *source) *lineReader {
	return &lineReader{src: src, at: position{Offset: src.offset}}
}

// skipTo moves forward to a position.
func (l *lineReader) skipTo(to position) error {
	if to.Offset <= l.at.Offset {
		return nil
	}
	var err error
	if l.src.seek != nil {
		err = l.src.seek(to.Offset)
	} else {
		_, err = io.CopyN(io.Discard, l.src.content, to.Offset-l.at.Offset)
	}
	l.at, l.err = to, nil
	return err
}

// next returns the next line, or false at the end. A line in which the stream
// breaks off because it is damaged is not returned: it may lack its rest.
func (l *lineReader) next() (record, bool) {
	if l.err != nil {
		return record{}, false
	}
	line := record{line: l.at.Line + 1}
	for {
		part, err := l.src.content.ReadSlice('\n')
		line.length += int64(len(part))
		if room := MaxRecord + 2 - len(line.text); room > 0 {
			line.text = append(line.text, part[:min(room, len(part))]...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil {
			l.err = err
			if !errors.Is(err, io.EOF) || line.length == 0 {
				return record{}, false
			}
		}
		break
	}
	l.at.Line++
	l.at.Offset += line.length
	line.end = l.at
	line.cut()
	return line, true
}

// failure is what ended the stream, nil at its regular end.
func (l *lineReader) failure() error {
	if errors.Is(l.err, io.EOF) {
		return nil
	}
	return l.err
}

// cut drops the line end, and most of a line that is too long.
func (r *record) cut() {
	whole := r.length == int64(len(r.text))
	if whole && len(r.text) > 0 && r.text[len(r.text)-1] == '\n' {
		r.text = r.text[:len(r.text)-1]
		if n := len(r.text); n > 0 && r.text[n-1] == '\r' {
			r.text = r.text[:n-1]
		}
		r.length = int64(len(r.text))
	}
	if r.length > MaxRecord {
		r.text = r.text[:keptOfLong:keptOfLong]
		r.defect = "is longer than 1 MiB"
	}
}
