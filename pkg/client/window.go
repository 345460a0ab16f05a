package client

import (
	"time"

	"github.com/google/uuid"
)

// entry is an event in memory.
type entry struct {
	id      uuid.UUID
	encoded []byte // as JSON, on one line; nil when it is settled
	at      uint64 // its position: where it ends in the order of Enqueue
	size    int64  // which it takes in memory; all of it goes when all before it are settled, too
	settled bool

	player uint64    // the hash of its player
	sent   time.Time // for the first time
}

// overhead is what an event takes in memory besides its JSON, and when it is settled
// before others that are older.
const overhead = 200

func newEntry(id uuid.UUID, encoded []byte) *entry {
	return &entry{id: id, encoded: encoded, size: int64(len(encoded)) + overhead}
}

// window is the events from the oldest that is not settled to the newest, in the
// order of Enqueue. They are settled in any order; through moves as the oldest are.
type window struct {
	entries []*entry // from first on
	first   int
	bytes   int64  // of all
	newest  uint64 // the position of the last that came
	through uint64 // everything up to here is settled
	waiting int64  // those that are not settled
}

// fits reports whether there is room: for one event there always is.
func (w *window) fits(bytes, limit int64) bool {
	return w.bytes == 0 || w.bytes+bytes <= limit
}

func (w *window) push(e *entry) {
	w.entries = append(w.entries, e)
	w.bytes += e.size
	w.newest = e.at
	w.waiting++
}

// skip moves over positions that hold no event.
func (w *window) skip(to uint64) {
	w.newest = to
	w.settle(nil)
}

// settle marks the events, and forgets the oldest that are settled.
func (w *window) settle(events []*entry) {
	for _, e := range events {
		w.bytes -= e.size - overhead
		e.settled, e.encoded, e.size = true, nil, overhead
	}
	w.waiting -= int64(len(events))
	for w.first < len(w.entries) && w.entries[w.first].settled {
		e := w.entries[w.first]
		w.bytes -= e.size
		w.through = e.at
		w.entries[w.first] = nil
		w.first++
	}
	switch {
	case w.first == len(w.entries):
		w.entries, w.first = w.entries[:0], 0
		w.through = w.newest
	case w.first > len(w.entries)/2 && w.first > 1000:
		n := copy(w.entries, w.entries[w.first:])
		clear(w.entries[n:])
		w.entries, w.first = w.entries[:n], 0
	}
}
