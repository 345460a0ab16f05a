package spool

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// segment is a file of records.
type segment struct {
	start, end uint64
	path       string
}

const suffix = ".segment"

func segmentPath(dir string, start uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%020d%s", start, suffix))
}

// segmentsOf returns the segments of a folder, oldest first, by the size of their
// files.
func segmentsOf(dir string) ([]segment, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var segments []segment
	for _, entry := range entries {
		name, ok := strings.CutSuffix(entry.Name(), suffix)
		start, err := strconv.ParseUint(name, 10, 64)
		if !ok || err != nil {
			continue // not ours
		}
		info, err := entry.Info()
		if err != nil {
			return nil, err
		}
		segments = append(segments, segment{start: start, end: start + uint64(info.Size()), path: filepath.Join(dir, entry.Name())})
	}
	slices.SortFunc(segments, func(a, b segment) int { return strings.Compare(a.path, b.path) })
	return segments, nil
}

// mend cuts off what is no record at the end of a segment, and returns how many
// bytes that were.
func (s *segment) mend() (cut int64, err error) {
	file, err := os.OpenFile(s.path, os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	r := &segmentReader{file: file, start: s.start, pos: s.start, limit: s.end}
	for r.pos < s.end {
		if _, err := r.next(); err == io.ErrUnexpectedEOF || err == errDamaged { //nolint:errorlint // next returns them as they are
			break
		} else if err != nil {
			return 0, err
		}
	}
	cut = int64(s.end - r.pos)
	if cut > 0 {
		s.end = r.pos
		err = file.Truncate(int64(s.end - s.start))
	}
	return cut, err
}

// segmentReader reads the records of one file, up to a position that may grow.
type segmentReader struct {
	file  *os.File
	start uint64 // of the file
	pos   uint64 // of the next record
	limit uint64 // what is behind it is not to be read yet

	buf []byte // the bytes from pos on that were read already
}

// readAhead is how many bytes are read at once.
const readAhead = 128 << 10

// next returns the record at pos, which is valid until the next call, and moves
// behind it. It is not called at the limit.
func (r *segmentReader) next() ([]byte, error) {
	for {
		data, need, err := record(r.buf, r.pos)
		if err != nil {
			return nil, err
		}
		if data != nil {
			r.buf = r.buf[headerBytes+len(data):]
			r.pos += uint64(headerBytes + len(data))
			return data, nil
		}
		if uint64(need) > r.limit-r.pos {
			return nil, io.ErrUnexpectedEOF
		}
		if err := r.fill(need); err != nil {
			return nil, err
		}
	}
}

// fill reads until buf has at least need bytes.
func (r *segmentReader) fill(need int) error {
	size := int(min(uint64(max(need, readAhead)), r.limit-r.pos))
	fresh := make([]byte, size)
	have := copy(fresh, r.buf)
	n, err := r.file.ReadAt(fresh[have:], int64(r.pos-r.start)+int64(have))
	r.buf = fresh[:have+n]
	if len(r.buf) >= need {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}
