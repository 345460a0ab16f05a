package smoketest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// waves is in how many parts a topic's records are sent, each when the one
// before is acknowledged: a latency is of more than one request then, and
// opening the connections slows down only the first.
const waves = 4

// produce sends the records of one topic. It ends early when the cluster
// refuses a record or ctx ends, and only after every record that was sent is
// answered: close the client to make it.
func (t *test) produce(ctx context.Context, topic *topicTest, w *wait) {
	settle := func(settled bool) {
		if settled {
			w.settle(topic.topic.Name)
		}
	}
	all := topic.track.sent
	size := (len(all) + waves - 1) / waves
	for from := 0; from < len(all); from += size {
		to := min(from+size, len(all))
		var answers sync.WaitGroup
		var refused atomic.Bool
		for i := from; i < to; i++ {
			answers.Add(1)
			topic.track.produced(i, time.Now())
			// No context is given: a record must be answered, not forgotten.
			t.client.Produce(context.Background(), all[i], func(r *kgo.Record, err error) {
				defer answers.Done()
				if err != nil {
					refused.Store(true)
				}
				settle(topic.track.acknowledged(i, r.Partition, err, time.Now()))
			})
		}
		answers.Wait()
		if refused.Load() || ctx.Err() != nil {
			settle(topic.track.leaveOut(to))
			return
		}
	}
}

func (t *test) consume(ctx context.Context, w *wait) {
	tracks := make(map[string]*track)
	for _, topic := range t.topics {
		tracks[topic.topic.Name] = topic.track
	}
	for ctx.Err() == nil {
		fetches := t.client.PollFetches(ctx)
		now := time.Now()
		fetches.EachRecord(func(r *kgo.Record) {
			if track := tracks[r.Topic]; track != nil && track.received(r, now) {
				w.settle(r.Topic)
			}
		})
		fetches.EachError(func(topic string, partition int32, err error) {
			if track := tracks[topic]; track != nil && ctx.Err() == nil && !errors.Is(err, kgo.ErrClientClosed) {
				if track.fetchFailed(partition, err) {
					w.settle(topic)
				}
			}
		})
	}
}

// wait ends when every topic is settled.
type wait struct {
	mu      sync.Mutex
	pending map[string]bool
	done    chan struct{}
}

func newWait(all []*topicTest) *wait {
	w := &wait{pending: make(map[string]bool), done: make(chan struct{})}
	for _, t := range all {
		if t.track != nil {
			w.pending[t.topic.Name] = true
		}
	}
	return w
}

func (w *wait) settle(topic string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.pending[topic] {
		return
	}
	delete(w.pending, topic)
	if len(w.pending) == 0 {
		close(w.done)
	}
}
