package client

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/gamemetrics/gmctl/pkg/client/internal/spool"
)

// A record of the spool is an event's id, its player and its JSON, so that what an
// earlier process left need not be decoded to be sent.

func appendSpooled(dst []byte, player string, e *entry) []byte {
	dst = append(dst, e.id[:]...)
	dst = binary.AppendUvarint(dst, uint64(len(player)))
	dst = append(dst, player...)
	return append(dst, e.encoded...)
}

func spooled(r spool.Record) (player string, e *entry, ok bool) {
	var id uuid.UUID
	if len(r.Data) < len(id) {
		return "", nil, false
	}
	rest := r.Data[copy(id[:], r.Data):]
	length, n := binary.Uvarint(rest)
	if n <= 0 || length > uint64(len(rest)-n) {
		return "", nil, false
	}
	rest = rest[n:]
	e = newEntry(id, rest[length:])
	e.at = r.End
	return string(rest[:length]), e, true
}

// recover takes up what an earlier process left in the spool.
func (q *Queue) recover() {
	q.window.newest, q.window.through = q.log.Settled(), q.log.Settled()
	if left := q.log.Size(); left > 0 {
		q.config.Log.Info("the spool has events that were not sent", "folder", q.config.Spool.Dir, "bytes", left)
	}
	q.lost(q.log.Cut())
}

func (q *Queue) lost(bytes int64) {
	if bytes == 0 {
		return
	}
	q.mu.Lock()
	q.stats.LostBytes += bytes
	q.mu.Unlock()
	q.config.Log.Warn("the spool has bytes that are no whole event: half written when a process was killed, or damaged", "folder", q.config.Spool.Dir, "bytes", bytes)
}

// write puts an event into the spool; it returns ErrFull, and what to wait for,
// where there is no room.
func (q *Queue) write(player string, e *entry) (changed <-chan struct{}, err error) {
	q.mu.Lock()
	changed, closed := q.changed, q.closed
	q.mu.Unlock()
	if closed {
		return nil, ErrClosed
	}
	_, err = q.log.Append(appendSpooled(nil, player, e))
	switch {
	case errors.Is(err, spool.ErrFull):
		return changed, ErrFull
	case errors.Is(err, spool.ErrClosed):
		return nil, ErrClosed
	case err != nil:
		return nil, fmt.Errorf("the event cannot be written to the spool %s: %w", q.config.Spool.Dir, err)
	}
	q.mu.Lock()
	q.stats.Enqueued++
	q.mu.Unlock()
	return nil, nil
}

// feed takes the events of the spool into memory, in order, as there is room.
func (q *Queue) feed() {
	for {
		r, err := q.next()
		if err != nil {
			return // the queue aborts
		}
		q.lost(r.Lost)
		player, e, ok := spooled(r)
		if !ok {
			if r.Lost == 0 {
				q.lost(int64(len(r.Data))) // another version's, it seems
			}
			q.mu.Lock()
			q.window.skip(r.End)
			q.moved()
			q.mu.Unlock()
			continue
		}
		for !q.admit(player, e) {
			if q.ctx.Err() != nil {
				return
			}
		}
	}
}

// next returns the next record of the spool. While it cannot be read it tries again.
func (q *Queue) next() (spool.Record, error) {
	for attempt := 1; ; attempt++ {
		r, err := q.log.Next(q.ctx)
		if err == nil {
			if attempt > 1 {
				q.worked(&q.unread)
			}
			return r, nil
		}
		if q.ctx.Err() != nil {
			return r, err
		}
		q.troubled(&q.unread, fmt.Errorf("the spool %s cannot be read: %w", q.config.Spool.Dir, err))
		if err := q.pause(attempt, err); err != nil {
			return r, err
		}
	}
}

// admit takes an event of the spool into memory, or waits for what may make room.
func (q *Queue) admit(player string, e *entry) bool {
	q.mu.Lock()
	changed := q.changed
	fits := q.window.fits(e.size, q.config.MaxMemory)
	if fits {
		q.push(player, e)
	}
	q.mu.Unlock()
	if !fits {
		select {
		case <-changed:
		case <-q.ctx.Done():
		}
	}
	return fits
}
