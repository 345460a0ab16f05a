package ingestion

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/gamemetrics/gmctl/internal/tracing"
)

// ErrOverloaded is the ErrUnavailable of a queue that is full.
var ErrOverloaded = fmt.Errorf("%w: too many events wait already", ErrUnavailable)

// DefaultWriters is how many writes run at the same time.
const DefaultWriters = 4

// CommitOptions bound a Committer. A zero field means its default.
type CommitOptions struct {
	Writers       int           // writes at the same time; DefaultWriters
	MaxGroup      int           // records in one write, unless one request has more; 2,000
	MaxGroupBytes int           // bytes of the records in one write, unless one request has more; 4 MiB
	MaxQueue      int           // records waiting before requests are refused; 20,000
	MaxQueueBytes int           // bytes of records waiting or being written before requests are refused; 64 MiB
	WriteTimeout  time.Duration // of one write; 10 s

	Tracer *tracing.Tracer // makes spans of the waits and writes of requests that are traced; nil: none
}

func (o CommitOptions) withDefaults() CommitOptions {
	o.Writers = orDefault(o.Writers, DefaultWriters)
	o.MaxGroup = orDefault(o.MaxGroup, 2000)
	o.MaxGroupBytes = orDefault(o.MaxGroupBytes, 4<<20)
	o.MaxQueue = orDefault(o.MaxQueue, 20_000)
	o.MaxQueueBytes = orDefault(o.MaxQueueBytes, 64<<20)
	o.WriteTimeout = orDefault(o.WriteTimeout, 10*time.Second)
	return o
}

// Result tells what became of one inserted record. Err is nil, or has
// ErrUnstorable in its chain.
type Result struct {
	Outcome Outcome
	Err     error
}

// Committer groups the records of concurrent requests into few writes. There
// is no linger: when nothing is being written, what waits is taken at once. While
// something is, another writer takes what waits when it is worth a write of its
// own: half of what is being written, and worthy of it. Many small writes would be
// slower for all.
type Committer struct {
	writer  Writer
	options CommitOptions
	ctx     context.Context // of the writes
	abort   context.CancelFunc
	writers sync.WaitGroup

	mu     sync.Mutex
	filled sync.Cond // a writer may find something to do
	queue  []*request
	count  int // records in queue, without those of abandoned requests
	bytes  int // of these, and of the records being written
	closed bool

	writing  int         // records being written
	deferred bool        // a writer is free, and what waits is left for more to come
	late     bool        // it was left for long enough
	overdue  *time.Timer // sets late
}

const (
	// patience is how long requests wait at most for the writes under way, where a
	// writer is free.
	patience = 3 * time.Millisecond
	// worthy is how many records make a write beside another one: as many as cost
	// about what a write costs without any.
	worthy = 32
)

// request is one call of Insert.
type request struct {
	records   []Record
	bytes     int
	wait      trace.Span // for a writer; nil: the request is not traced
	taken     bool       // by a writer, which will deliver
	abandoned bool       // its caller waits no more
	results   []Result
	err       error
	done      chan struct{} // closed when results and err are set
}

// NewCommitter starts the writers. Close ends them.
func NewCommitter(writer Writer, options CommitOptions) *Committer {
	c := &Committer{writer: writer, options: options.withDefaults()}
	c.ctx, c.abort = context.WithCancel(context.Background())
	c.filled.L = &c.mu
	c.overdue = time.AfterFunc(time.Hour, c.hurry)
	c.overdue.Stop()
	for range c.options.Writers {
		c.writers.Go(c.write)
	}
	return c
}

// Insert returns when all records are durable or known to be unstorable, with
// a Result for each. An error has ErrUnavailable in its chain and means that
// this is not known of all of them; inserting the same records again is safe.
// When ctx ends, Insert returns without delay; the records may be written yet.
func (c *Committer) Insert(ctx context.Context, records []Record) ([]Result, error) {
	if len(records) == 0 {
		return nil, nil
	}
	r := &request{records: records, bytes: size(records), wait: c.options.Tracer.Wait(ctx), done: make(chan struct{})}
	if err := c.enqueue(r); err != nil {
		tracing.End(r.wait, err)
		return nil, err
	}
	select {
	case <-r.done:
		return r.results, r.err
	case <-ctx.Done():
		c.abandon(r)
		tracing.End(r.wait, context.Cause(ctx)) // unless a writer took it
		return nil, fmt.Errorf("%w: it did not answer in time: %w", ErrUnavailable, context.Cause(ctx))
	}
}

// Queued returns how many records wait for a writer.
func (c *Committer) Queued() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.count
}

// Bytes returns how much the records hold that wait for a writer, or are being written.
func (c *Committer) Bytes() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bytes
}

// Err returns why Insert would refuse any records now; nil: it may take some.
func (c *Committer) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.refusal(1, 1)
}

// Close refuses new records, writes what waits and ends the writers. When ctx
// ends first, the writes under way are cancelled.
func (c *Committer) Close(ctx context.Context) {
	c.mu.Lock()
	c.closed = true
	c.filled.Broadcast()
	c.mu.Unlock()
	stop := context.AfterFunc(ctx, c.abort)
	c.writers.Wait()
	c.overdue.Stop()
	stop()
	c.abort()
}

func (c *Committer) enqueue(r *request) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.refusal(len(r.records), r.bytes); err != nil {
		return err
	}
	c.queue = append(c.queue, r)
	c.count += len(r.records)
	c.bytes += r.bytes
	c.filled.Signal()
	return nil
}

// refusal is why so many records, of so many bytes, find no room. However many there
// are, they do where there are no others.
func (c *Committer) refusal(records, bytes int) error {
	switch {
	case c.closed:
		return fmt.Errorf("%w: the service is stopping", ErrUnavailable)
	case c.count > 0 && c.count+records > c.options.MaxQueue, c.bytes > 0 && c.bytes+bytes > c.options.MaxQueueBytes:
		return ErrOverloaded
	}
	return nil
}

func (c *Committer) abandon(r *request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !r.taken {
		r.abandoned = true
		c.count -= len(r.records)
		c.bytes -= r.bytes
		r.records = nil
	}
}

// write is one writer: it works until the committer is closed and nothing waits.
func (c *Committer) write() {
	for {
		group, count, bytes := c.take()
		if len(group) == 0 {
			return
		}
		records := group[0].records
		if len(group) > 1 {
			records = make([]Record, 0, count)
			for _, r := range group {
				records = append(records, r.records...)
			}
		}
		results := make([]Result, count)
		ctx, span := c.trace(group, count)
		c.store(ctx, records, results)
		tracing.End(span, unavailable(results))
		for _, r := range group {
			r.results, results = results[:len(r.records):len(r.records)], results[len(r.records):]
			r.err = unavailable(r.results)
			close(r.done)
		}
		c.mu.Lock()
		c.writing -= count
		c.bytes -= bytes
		c.mu.Unlock()
	}
}

// trace begins the span of a group's write, if any of its requests is traced.
func (c *Committer) trace(group []*request, records int) (context.Context, trace.Span) {
	if c.options.Tracer == nil {
		return c.ctx, nil
	}
	var waits []trace.Span
	for _, r := range group {
		if r.wait != nil {
			waits = append(waits, r.wait)
		}
	}
	if waits == nil {
		return c.ctx, nil
	}
	return c.options.Tracer.Group(c.ctx, waits, records)
}

// hurry has a free writer take what waits.
func (c *Committer) hurry() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.late = true
	c.filled.Signal()
}

// worthwhile reports whether what waits is worth a write now.
func (c *Committer) worthwhile() bool {
	return c.writing == 0 || c.count >= max(worthy, c.writing/2) || c.count >= c.options.MaxGroup || c.late || c.closed
}

// take waits for requests and returns those of the next group, none when the
// committer is closed and empty.
func (c *Committer) take() (group []*request, count, bytes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		if len(c.queue) > 0 && !c.worthwhile() {
			if !c.deferred {
				c.deferred = true
				c.overdue.Reset(patience)
			}
			c.filled.Wait()
			continue
		}
		c.deferred, c.late = false, false
		for len(c.queue) > 0 {
			r := c.queue[0]
			if !r.abandoned {
				if len(group) > 0 && (count+len(r.records) > c.options.MaxGroup || bytes+r.bytes > c.options.MaxGroupBytes) {
					c.filled.Signal() // another writer may take the rest
					break
				}
				r.taken = true
				group = append(group, r)
				count += len(r.records)
				bytes += r.bytes
				c.count -= len(r.records)
			}
			c.queue[0] = nil
			c.queue = c.queue[1:]
		}
		if len(group) > 0 || c.closed {
			c.writing += count
			return group, count, bytes
		}
		c.filled.Wait()
	}
}

// store writes the records and fills in their results. Where the store refuses
// the data, the group is halved until the records at fault stand alone.
func (c *Committer) store(ctx context.Context, records []Record, results []Result) {
	writing, cancel := context.WithTimeout(ctx, c.options.WriteTimeout)
	outcomes, err := c.writer.Write(writing, records)
	cancel()
	if err == nil && len(outcomes) != len(records) {
		err = fmt.Errorf("the store gave %d outcomes for %d records", len(outcomes), len(records))
	}
	switch {
	case err == nil:
		for i, outcome := range outcomes {
			results[i].Outcome = outcome
		}
	case !errors.Is(err, ErrUnstorable):
		for i := range results {
			results[i].Err = fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
	case len(records) == 1:
		results[0].Err = err
	default:
		half := len(records) / 2
		c.store(ctx, records[:half], results[:half])
		c.store(ctx, records[half:], results[half:])
	}
}

// unavailable returns the first error that is not about a record's own data.
func unavailable(results []Result) error {
	for _, r := range results {
		if r.Err != nil && !errors.Is(r.Err, ErrUnstorable) {
			return r.Err
		}
	}
	return nil
}

// size estimates the memory that records hold, in bytes.
func size(records []Record) int {
	const fixed = 192
	total := fixed * len(records)
	for i := range records {
		total += len(records[i].Metadata) + len(records[i].PlayerID) + len(records[i].EventType) + len(records[i].TestRun)
	}
	return total
}

// orDefault returns value, or fallback for the zero value.
func orDefault[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}
