package spool

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/gofrs/flock"
)

// Log is a spool that is open. Append and Settle may be called by several
// goroutines, Next by one.
type Log struct {
	options Options
	lock    *flock.Flock
	cursor  *os.File
	cut     int64 // bytes cut off the end by Open

	mu       sync.Mutex
	segments []segment     // oldest first; the last one is written to while file is there
	file     *os.File      // of the last segment; nil: the next record begins a new one
	end      uint64        // where the next record begins
	settled  uint64        // what is before it is done with
	synced   uint64        // what is before it outlives the machine, but for what is in doubt
	doubted  uint64        // what is before it may not, since an fsync failed,
	failure  error         // with this error
	grown    chan struct{} // what Next waits for, if it does: closed when end moves, and by Close
	closed   bool
	doomed   []string // files that could not be removed yet: Windows keeps those that are open
	buf      []byte

	reader segmentReader // Next's

	syncing sync.Mutex // one fsync at a time: it serves all that came before it began
	stop    chan struct{}
	syncer  sync.WaitGroup
}

// Open opens the spool in a folder, which it makes where there is none.
func Open(options Options) (*Log, error) {
	l := &Log{options: options.withDefaults(), stop: make(chan struct{})}
	if err := os.MkdirAll(options.Dir, 0o700); err != nil {
		return nil, err
	}
	l.lock = flock.New(filepath.Join(options.Dir, "lock"))
	held, err := l.lock.TryLock()
	if err == nil && !held {
		err = ErrLocked
	}
	if err != nil {
		return nil, err
	}
	if err := l.recover(); err != nil {
		return nil, errors.Join(err, l.lock.Close())
	}
	if l.options.Sync == SyncInterval {
		l.syncer.Go(l.syncInTurn)
	}
	return l, nil
}

// recover finds out what is there, and where it ends.
func (l *Log) recover() (err error) {
	if l.segments, err = segmentsOf(l.options.Dir); err != nil {
		return err
	}
	if n := len(l.segments); n > 0 {
		last := &l.segments[n-1]
		if l.cut, err = last.mend(); err != nil {
			return err
		}
		l.end = last.end
		if last.start == last.end {
			l.segments = l.segments[:n-1]
			if err := os.Remove(last.path); err != nil {
				return err
			}
		}
	}
	if l.settled, l.cursor, err = openCursor(filepath.Join(l.options.Dir, "settled")); err != nil {
		return err
	}
	// A crash of the machine may leave the cursor and lose the records before it.
	l.end = max(l.end, l.settled)
	l.synced = l.end
	if len(l.segments) > 0 {
		l.settled = max(l.settled, l.segments[0].start)
	} else {
		l.settled = l.end
	}
	l.prune()
	l.reader = segmentReader{pos: l.settled, limit: l.settled}
	return nil
}

// Append takes a record, and returns the position where it ends. It returns
// ErrFull where there is no room for it now.
func (l *Log) Append(data []byte) (end uint64, err error) {
	end, err = l.write(data)
	if err == nil && l.options.Sync == SyncAlways {
		err = l.sync(end)
	}
	return end, err
}

func (l *Log) write(data []byte) (end uint64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	size := int64(headerBytes + len(data))
	switch {
	case l.closed:
		return 0, ErrClosed
	case size > l.options.MaxBytes:
		return 0, ErrTooLarge
	}
	if l.size()+size > l.options.MaxBytes {
		if l.settled < l.end {
			return 0, ErrFull
		}
		err := l.seal()
		l.prune()
		if err != nil {
			return 0, err
		}
	}
	if err := l.prepare(size); err != nil {
		return 0, err
	}
	last := &l.segments[len(l.segments)-1]
	l.buf = appendRecord(l.buf[:0], l.end, data)
	at := int64(l.end - last.start)
	if _, err := l.file.WriteAt(l.buf, at); err != nil {
		_ = l.file.Truncate(at) // else the next record overwrites it, or Open cuts it off
		return 0, err
	}
	l.end += uint64(size)
	last.end = l.end
	l.wake()
	return l.end, nil
}

// prepare makes sure that there is a segment for a record of a size.
func (l *Log) prepare(size int64) error {
	if l.file != nil {
		last := l.segments[len(l.segments)-1]
		if int64(last.end-last.start)+size <= l.options.SegmentBytes || last.end == last.start {
			return nil
		}
		if err := l.seal(); err != nil {
			return err
		}
	}
	path := segmentPath(l.options.Dir, l.end)
	file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if l.options.Sync != SyncNever {
		if err := syncFolder(l.options.Dir); err != nil {
			return errors.Join(err, file.Close(), os.Remove(path))
		}
	}
	l.file = file
	l.segments = append(l.segments, segment{start: l.end, end: l.end, path: path})
	return nil
}

// seal ends the segment that is written to.
func (l *Log) seal() (err error) {
	if l.file == nil {
		return nil
	}
	if l.options.Sync != SyncNever {
		if err = l.file.Sync(); err == nil {
			l.synced = l.end
		} else {
			l.doubt(err)
		}
	}
	err = errors.Join(err, l.file.Close())
	l.file = nil
	return err
}

// Settle says that everything before a position is done with.
func (l *Log) Settle(upTo uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return ErrClosed
	}
	if upTo <= l.settled {
		return nil
	}
	l.settled = upTo
	l.prune()
	if err := writeCursor(l.cursor, upTo); err != nil {
		return fmt.Errorf("what is sent cannot be noted, and will be sent again after a restart: %w", err)
	}
	return nil
}

// prune removes the segments of which everything is settled.
func (l *Log) prune() {
	for len(l.segments) > 0 && l.segments[0].end <= l.settled && (l.file == nil || len(l.segments) > 1) {
		l.doomed = append(l.doomed, l.segments[0].path)
		l.segments = l.segments[1:]
	}
	var left []string
	for _, path := range l.doomed {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			left = append(left, path)
		}
	}
	l.doomed = left
}

func (l *Log) size() int64 {
	if len(l.segments) == 0 {
		return 0
	}
	return int64(l.end - l.segments[0].start)
}

// Size is how many bytes the segments take.
func (l *Log) Size() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.size()
}

// End is the position where the newest record ends.
func (l *Log) End() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.end
}

// Settled is the position up to which everything is settled.
func (l *Log) Settled() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.settled
}

// Cut is how many bytes Open cut off the end, where it found no record.
func (l *Log) Cut() int64 { return l.cut }

// wake ends the wait of Next.
func (l *Log) wake() {
	if l.grown != nil {
		close(l.grown)
		l.grown = nil
	}
}

// Close closes the spool; no call of Next may be under way. What is not settled
// stays for the next Open.
func (l *Log) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	l.wake()
	l.mu.Unlock()
	close(l.stop)
	l.syncer.Wait()

	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.seal()
	if l.reader.file != nil {
		err = errors.Join(err, l.reader.file.Close())
	}
	l.prune()
	return errors.Join(err, l.cursor.Close(), l.lock.Close())
}
