//go:build unix

package pipeline

import (
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/gamemetrics/gmctl/services/relay"
)

// counts are the figures of a run.
type counts struct {
	Acked        int            `json:"acked"`         // events answered with success
	Stored       int            `json:"stored"`        // rows in PostgreSQL
	Published    int            `json:"published"`     // records that a read_committed consumer sees
	Rejected     int            `json:"rejected"`      // events answered as invalid, and so kept for the dead-letter topic
	Kept         int            `json:"kept"`          // rejected events in PostgreSQL
	DeadLettered int            `json:"dead_lettered"` // those, and the events that no broker takes, as a read_committed consumer sees them
	Gone         int            `json:"gone"`          // published to a topic that was deleted
	Refused      map[string]int `json:"refused"`       // requests, by status and reason
	Unanswered   int            `json:"unanswered"`    // requests whose connection ended
	Repeated     int            `json:"repeated"`      // events acknowledged again
	Slowest      float64        `json:"slowest"`       // refusal, in seconds
	Takeover     float64        `json:"takeover"`      // of a relay that was paused, in seconds: the longest
}

// content is a hash of what was sent of an event, beside its id; 0 where that is not known.
type content uint64

func contentOf(player, kind string, at time.Time, metadata []byte) content {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s\n%s\n%d\n%s", player, kind, at.UnixMicro(), metadata)
	return content(h.Sum64())
}

// letterOf is the content of a rejected event, which is kept as it came.
func letterOf(body []byte) content { return contentOf("", "", time.Unix(0, 0), body) }

// entry is what is known of an event.
type entry struct {
	player string
	n      int
	content
	acked  bool
	poison bool           // no broker takes it, or it is rejected: it goes to the dead letters
	letter bool           // it is rejected: its table is the outbox
	at     relay.Position // in its table; zero: not seen there
	seen   bool           // in the topic; poison: among the dead letters
	gone   bool           // published to a topic that was deleted
}

func (e *entry) stored() bool { return e.at != relay.Position{} }

// entries are events by their ids.
type entries map[uuid.UUID]*entry

// example describes one of them.
func (all entries) example() string {
	for id, e := range all {
		return fmt.Sprintf("%s, number %d of %s, at %s", id, e.n, e.player, e.at)
	}
	return "none"
}

// ledger is what was sent, and what became of it. All its methods may be called at once.
type ledger struct {
	mu     sync.Mutex
	events entries
	counts counts
	broken []string

	// Of the events, those of which the audit waits for more.
	unstored    entries // acknowledged, and not seen in the table
	unpublished entries // seen in the table, and not in a topic
	unfounded   entries // seen in a topic, and not in the table
}

func newLedger() *ledger {
	return &ledger{
		events: entries{}, unstored: entries{}, unpublished: entries{}, unfounded: entries{},
		counts: counts{Refused: map[string]int{}},
	}
}

// send notes an event before it is sent.
func (l *ledger) send(id uuid.UUID, player string, n int, c content) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events[id] = &entry{player: player, n: n, content: c}
}

// poison notes an event that will be stored and that no broker takes.
func (l *ledger) poison(id uuid.UUID, player string, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events[id] = &entry{player: player, n: n, poison: true}
}

// offend notes an event that is invalid before it is sent.
func (l *ledger) offend(id uuid.UUID, player string, n int, c content) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events[id] = &entry{player: player, n: n, content: c, poison: true, letter: true}
}

// reject notes that an event was answered as invalid: it is kept, and goes to the
// dead letters, as surely as another is stored and published.
func (l *ledger) reject(id uuid.UUID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.events[id]
	if e.acked {
		l.counts.Repeated++
		return
	}
	e.acked = true
	l.counts.Rejected++
	if !e.stored() {
		l.unstored[id] = e
	}
}

// ack notes that events were answered with success.
func (l *ledger) ack(ids ...uuid.UUID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range ids {
		e := l.events[id]
		if e.acked {
			l.counts.Repeated++
			continue
		}
		e.acked = true
		l.counts.Acked++
		if !e.stored() {
			l.unstored[id] = e
		}
	}
}

// store notes a row of the table.
func (l *ledger) store(id uuid.UUID, at relay.Position, c content) { l.hold(id, at, c, false) }

// keep notes a row of the outbox.
func (l *ledger) keep(id uuid.UUID, at relay.Position, c content) { l.hold(id, at, c, true) }

func (l *ledger) hold(id uuid.UUID, at relay.Position, c content, letter bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.known(id, "stored at "+at.String(), c)
	if e.letter != letter {
		l.breach("event %s, at %s, is in the wrong table", id, at)
	}
	if e.stored() {
		l.breach("event %s is stored at %s and at %s", id, e.at, at)
	}
	e.at = at
	if letter {
		l.counts.Kept++
	} else {
		l.counts.Stored++
	}
	delete(l.unstored, id)
	delete(l.unfounded, id)
	if !e.seen && !e.gone {
		l.unpublished[id] = e
	}
}

// publish notes a record of the topic.
func (l *ledger) publish(id uuid.UUID, place string, c content) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts.Published++
	l.find(id, place, c, false)
}

// bury notes a record of the dead-letter topic.
func (l *ledger) bury(id uuid.UUID, place string, c content) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts.DeadLettered++
	l.find(id, place, c, true)
}

func (l *ledger) find(id uuid.UUID, place string, c content, poison bool) {
	e := l.known(id, "at "+place, c)
	switch {
	case e.seen, e.gone:
		l.breach("event %s, published before, is there again at %s", id, place)
	case e.poison != poison:
		l.breach("event %s does not belong to %s", id, place)
	}
	e.seen = true
	delete(l.unpublished, id)
	if !e.stored() {
		l.unfounded[id] = e
	}
}

// known returns what is known of an event, which is wrong where nothing is, or it was
// sent with another content.
func (l *ledger) known(id uuid.UUID, where string, c content) *entry {
	e, ok := l.events[id]
	if !ok {
		l.breach("event %s is %s, and nobody sent it", id, where)
		e = &entry{content: c}
		l.events[id] = e
	}
	if e.content != c && e.content != 0 {
		l.breach("event %s is %s, and was sent with another content", id, where)
	}
	return e
}

// passed holds the relays to where they say that they are: what is stored up to there is
// in a topic.
func (l *ledger) passed(upTo relay.Position) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, e := range l.unpublished {
		if !e.letter && !upTo.Before(e.at) {
			l.breach("event %s, at %s, is not published, and the relays are at %s", id, e.at, upTo)
		}
	}
}

// lose notes that what was published up to a position went with its topic.
func (l *ledger) lose(upTo relay.Position) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, e := range l.events {
		if e.stored() && !e.poison && !upTo.Before(e.at) && !e.gone {
			e.gone = true
			l.counts.Gone++
			delete(l.unpublished, id)
		}
	}
}

// unread returns the events that are seen in a topic, and not yet in the table.
func (l *ledger) unread() []uuid.UUID {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Collect(maps.Keys(l.unfounded))
}

// position returns where an event is in the table.
func (l *ledger) position(id uuid.UUID) relay.Position {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.events[id].at
}

// open returns an error while the audit waits for something.
func (l *ledger) open() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for what, events := range map[string]entries{
		"acknowledged and not stored": l.unstored,
		"stored and not published":    l.unpublished,
		"published and not stored":    l.unfounded,
	} {
		if len(events) > 0 {
			return fmt.Errorf("%d events are %s, such as %s", len(events), what, events.example())
		}
	}
	return nil
}

// forget makes ready for an audit of everything.
func (l *ledger) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts.Stored, l.counts.Published, l.counts.Kept, l.counts.DeadLettered = 0, 0, 0, 0
	for id, e := range l.events {
		if e.acked {
			l.unstored[id] = e
		}
		e.at, e.seen = relay.Position{}, false
	}
}

func (l *ledger) acked() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.counts.Acked
}

// refuse notes a request that was refused with a reason.
func (l *ledger) refuse(status int, reason string, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts.Slowest = max(l.counts.Slowest, hundredths(took))
	l.counts.Refused[fmt.Sprintf("%d %s", status, reason)]++
}

// takeOver notes how long a relay took to take the place of another one.
func (l *ledger) takeOver(took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts.Takeover = max(l.counts.Takeover, hundredths(took))
}

func hundredths(d time.Duration) float64 { return d.Round(10 * time.Millisecond).Seconds() }

// refused counts the requests that were refused with the status.
func (l *ledger) refused(status int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	total, prefix := 0, fmt.Sprintf("%d ", status)
	for what, count := range l.counts.Refused {
		if strings.HasPrefix(what, prefix) {
			total += count
		}
	}
	return total
}

// unanswered notes a request whose connection ended.
func (l *ledger) unanswered() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts.Unanswered++
}

// violate notes that something does not hold.
func (l *ledger) violate(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.breach(format, args...)
}

// breach is violate for who holds the lock. Enough is kept to understand it.
func (l *ledger) breach(format string, args ...any) {
	const most = 20
	if len(l.broken) < most {
		l.broken = append(l.broken, fmt.Sprintf(format, args...))
	}
}

func (l *ledger) violations() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.broken)
}

func (l *ledger) counted() counts {
	l.mu.Lock()
	defer l.mu.Unlock()
	copied := l.counts
	copied.Refused = maps.Clone(copied.Refused)
	return copied
}

func (l *ledger) summary() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return fmt.Sprintf("%d acknowledged, %d stored, %d published; %d rejected, %d dead letters",
		l.counts.Acked, l.counts.Stored, l.counts.Published, l.counts.Rejected, l.counts.DeadLettered)
}
