// Package produce sends records that a person or a script gives, one after the
// other, to a topic.
package produce

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/problem"
)

// deliveryTimeout is how long a record may take to be acknowledged.
const deliveryTimeout = 30 * time.Second

// Result counts what the cluster acknowledged.
type Result struct {
	Topic      string          `json:"topic"`
	Records    int             `json:"records"`
	Partitions map[int32]int   `json:"partitions"` // records by partition
	Last       map[int32]int64 `json:"lastOffsets"`
}

// Options says where to.
type Options struct {
	Topic     string
	Partition *int32 // nil: by the hash of the key, as every Kafka client does
}

// Run sends what next returns until it returns io.EOF, and waits until all of
// it is acknowledged. Records of one partition stay in their order. It ends at
// the first record that the cluster refuses, or at an error of next; Result
// counts what was acknowledged in any case.
func Run(ctx context.Context, cfg kafka.Config, options Options, next func() (kafka.Record, error)) (Result, error) {
	result := Result{Topic: options.Topic, Partitions: make(map[int32]int), Last: make(map[int32]int64)}
	var opts []kgo.Opt
	if options.Partition != nil {
		opts = append(opts, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	}
	session, err := kafka.Open(cfg, append(opts, kgo.RecordDeliveryTimeout(deliveryTimeout))...)
	if err != nil {
		return result, err
	}
	defer session.Close()
	found, err := kafka.FindTopics(ctx, session.Client, []string{options.Topic})
	if err != nil {
		return result, session.Explain(err)
	}
	if p := options.Partition; p != nil && (*p < 0 || int(*p) >= len(found[0].Partitions)) {
		return result, &problem.Error{
			What: fmt.Sprintf("topic %s has no partition %d", options.Topic, *p), Kind: problem.Usage,
			Next: fmt.Sprintf("choose one from 0 to %d", len(found[0].Partitions)-1),
		}
	}
	s := &sender{session: session, options: options, result: result}
	err = s.send(ctx, next)
	return s.result, err
}

type sender struct {
	session *kafka.Session
	options Options

	mu      sync.Mutex
	result  Result
	failure error // the first
}

func (s *sender) send(ctx context.Context, next func() (kafka.Record, error)) error {
	readErr := s.buffer(ctx, next)
	if err := s.session.Flush(ctx); err != nil {
		return s.session.Explain(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failure != nil {
		return s.failure
	}
	return readErr
}

// buffer gives records to the client until next has no more; the client sends
// them meanwhile.
func (s *sender) buffer(ctx context.Context, next func() (kafka.Record, error)) error {
	for n := 1; ; n++ {
		record, err := next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return s.session.Explain(err)
		}
		out := &kgo.Record{Topic: s.options.Topic, Key: record.Key, Value: record.Value, Timestamp: record.Timestamp}
		if s.options.Partition != nil {
			out.Partition = *s.options.Partition
		}
		for _, h := range record.Headers {
			out.Headers = append(out.Headers, kgo.RecordHeader(h))
		}
		s.session.Produce(ctx, out, func(r *kgo.Record, err error) { s.answered(n, r, err) })
		if s.failed() {
			return nil
		}
	}
}

func (s *sender) answered(n int, r *kgo.Record, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		if s.failure == nil {
			s.failure = s.session.ExplainTopic(fmt.Sprintf("record %d could not be produced to topic %s", n, s.options.Topic), err, s.options.Topic)
		}
		return
	}
	s.result.Records++
	s.result.Partitions[r.Partition]++
	s.result.Last[r.Partition] = max(s.result.Last[r.Partition], r.Offset)
}

func (s *sender) failed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failure != nil
}
