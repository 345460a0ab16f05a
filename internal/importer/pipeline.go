package importer

import (
	"context"
	"sync"
	"time"

	"github.com/gamemetrics/gmctl/pkg/event"
)

// A chunk is what a worker decodes and sends at once, within what the service
// takes as one batch: 1,000 events and 1 MiB.
const (
	chunkRecords = 1000
	chunkBytes   = 512 << 10 // of the file; as JSON a row of CSV becomes longer
	batchBytes   = 900 << 10
)

// chunk is a run of consecutive records.
type chunk struct {
	records []record
	end     position // where the next chunk begins
	settled chan settlement
}

// settlement is the fate of a chunk's records.
type settlement struct {
	counts  Counts
	tooOld  int64
	rejects []Reject
	err     error // the fate is not known
}

// run sends the frames from where they stand to their end.
func run(ctx context.Context, opts Options, from *frames, decoder *lineDecoder, l *ledger) error {
	reading, stop := context.WithCancel(ctx)
	defer stop()
	sending, abort := graceful(ctx, opts.Grace)
	defer abort()

	work := make(chan *chunk)
	order := make(chan *chunk, 2*opts.Connections)
	var running sync.WaitGroup
	running.Go(func() {
		defer close(work)
		defer close(order)
		split(reading, from, opts.chunkRecords, func(c *chunk) bool {
			for _, to := range []chan<- *chunk{order, work} {
				select {
				case to <- c:
				case <-reading.Done():
					c.settled <- settlement{err: context.Cause(reading)}
					return false
				}
			}
			return true
		})
	})
	for range opts.Connections {
		running.Go(func() {
			for c := range work {
				c.settled <- settle(sending, opts.Send, decoder, c)
			}
		})
	}

	var err error
	for c := range order {
		s := <-c.settled
		if err == nil {
			err = l.settle(c.end, s)
		}
		if err != nil {
			stop()
			abort()
		}
	}
	running.Wait()
	if err == nil {
		err = ctx.Err()
	}
	failure := from.lines.failure()
	if saveErr := l.finish(err == nil && failure == nil, from.lines.at); err == nil {
		err = saveErr
	}
	if err == nil && failure != nil {
		err = damaged(opts.Path, l.saved.Position.Line, failure)
	}
	return err
}

// graceful returns a context that ends a while after ctx does.
func graceful(ctx context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	later, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(grace, cancel) })
	return later, func() { stop(); cancel() }
}

// split cuts the frames into chunks, and passes them on until told to stop.
func split(ctx context.Context, from *frames, most int, pass func(*chunk) bool) {
	for ctx.Err() == nil {
		c := &chunk{settled: make(chan settlement, 1)}
		more, size := true, int64(0)
		for len(c.records) < most && size < chunkBytes {
			var r record
			if r, more = nextRecord(from); !more {
				break
			}
			c.records = append(c.records, r)
			c.end = r.end
			size += int64(len(r.text))
		}
		if len(c.records) > 0 && !pass(c) || !more {
			return
		}
	}
}

// settle decodes a chunk's records and sends those that are events.
func settle(ctx context.Context, send Sender, decoder *lineDecoder, c *chunk) settlement {
	var s settlement
	fates := make([]error, len(c.records)) // why rejected, by record
	events := make([]event.Event, 0, len(c.records))
	at := make([]int, 0, len(c.records)) // the record of each event
	for i, r := range c.records {
		e, err := decoder.decode(r)
		if err != nil {
			fates[i] = err
			continue
		}
		events, at = append(events, e), append(at, i)
	}
	if send == nil {
		s.counts.Valid = int64(len(events))
	} else if err := s.send(ctx, send, events, func(i int, why error) { fates[at[i]] = why }); err != nil {
		return settlement{err: err}
	}
	for i, why := range fates {
		if why == nil {
			continue
		}
		reject := newReject(c.records[i], why)
		for _, field := range reject.Fields {
			if field.Code == event.CodeTooOld {
				s.tooOld++
			}
		}
		s.rejects = append(s.rejects, reject)
	}
	s.counts.Rejected = int64(len(s.rejects))
	return s
}

func (s *settlement) send(ctx context.Context, send Sender, events []event.Event, reject func(int, error)) error {
	for first := 0; first < len(events); {
		end, size := first, 0
		for end < len(events) {
			// 160 bytes hold an id, a time, the names and the quotes.
			size += 160 + len(events[end].Metadata) + 2*len(events[end].PlayerID)
			if end > first && size > batchBytes {
				break
			}
			end++
		}
		outcomes, err := send(ctx, events[first:end])
		if err != nil {
			return err
		}
		for i, outcome := range outcomes {
			switch outcome.Status {
			case Stored:
				s.counts.Stored++
			case Duplicate:
				s.counts.Duplicates++
			default:
				reject(first+i, &event.Invalid{Fields: outcome.Fields})
			}
		}
		first = end
	}
	return nil
}
