package spool

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
)

// Record is what Next returns.
type Record struct {
	Data []byte // nil where records were lost
	End  uint64 // where it ends: Settle(End) says that it, too, is done with
	Lost int64  // bytes that were passed over because they are damaged
}

// Next returns the record after the one that it returned last, the first time the
// oldest that is not settled. It waits for one until ctx ends. With another error than
// that of ctx and ErrClosed the record cannot be read now: the next call tries again.
func (l *Log) Next(ctx context.Context) (Record, error) {
	for {
		if l.reader.pos == l.reader.limit {
			lost, err := l.advance(ctx)
			if err != nil || lost != nil {
				return valueOf(lost), err
			}
		}
		r := &l.reader
		data, err := r.next()
		if err == nil {
			return Record{Data: bytes.Clone(data), End: r.pos}, nil
		}
		if !gone(err) {
			return Record{}, errors.Join(err, r.close())
		}
		// Where the next record begins is not known before the next segment.
		if lost := int64(r.limit - r.pos); lost > 0 {
			r.pos, r.buf = r.limit, nil
			return Record{End: r.pos, Lost: lost}, nil
		}
	}
}

func valueOf(r *Record) Record {
	if r == nil {
		return Record{}
	}
	return *r
}

// advance waits until there is something behind the reader's limit, and points the
// reader at it. Where a gap is before it, it returns that first.
func (l *Log) advance(ctx context.Context) (lost *Record, err error) {
	for {
		l.mu.Lock()
		next, found := l.holding(l.reader.pos)
		if l.grown == nil && !l.closed {
			l.grown = make(chan struct{})
		}
		end, grown, closed := l.end, l.grown, l.closed
		l.mu.Unlock()
		switch {
		case closed:
			return nil, ErrClosed
		case found && l.reader.pos < next.start:
			lost = &Record{End: next.start, Lost: int64(next.start - l.reader.pos)}
		case !found && l.reader.pos < end:
			lost = &Record{End: end, Lost: int64(end - l.reader.pos)}
		}
		if lost != nil {
			l.reader.pos, l.reader.limit = lost.End, lost.End
			return lost, nil
		}
		if found {
			if err := l.reader.open(next); err != nil {
				if !gone(err) {
					return nil, err
				}
				lost = &Record{End: next.end, Lost: int64(next.end - l.reader.pos)}
				l.reader.pos, l.reader.limit = lost.End, lost.End
				return lost, nil
			}
			return nil, nil
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// gone reports whether an error of reading says that a record is not there. Any other,
// such as too many open files, says nothing of it.
func gone(err error) bool {
	return errors.Is(err, errDamaged) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, fs.ErrNotExist)
}

// holding returns the segment that holds the record at a position, or else the
// first one behind it.
func (l *Log) holding(pos uint64) (segment, bool) {
	for _, s := range l.segments {
		if pos < s.end {
			return s, true
		}
	}
	return segment{}, false
}

// open goes on in a segment at the reader's position.
func (r *segmentReader) open(s segment) error {
	if r.file == nil || r.start != s.start {
		file, err := os.Open(s.path)
		if err != nil {
			return err
		}
		if r.file != nil {
			_ = r.file.Close() // it was only read
		}
		r.file, r.start, r.buf = file, s.start, nil
	}
	r.limit = s.end
	return nil
}

// close lets go of the file; who reads on opens it again.
func (r *segmentReader) close() error {
	file := r.file
	r.file, r.limit, r.buf = nil, r.pos, nil
	return file.Close()
}
