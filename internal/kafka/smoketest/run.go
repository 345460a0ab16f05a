package smoketest

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/topics"
)

// The defaults of Options.
const (
	DefaultCount   = 48 // records per topic: 4 per key where a topic has 6 partitions
	DefaultTimeout = 15 * time.Second
)

// Options says what to test. The zero value tests the platform's public topics.
type Options struct {
	Topics  []string      // nil: topics.Public()
	Count   int           // records per topic, at least; 0: DefaultCount
	Timeout time.Duration // of the whole test; 0: DefaultTimeout
	Run     string        // the test's id; empty: a new one
}

func (o Options) withDefaults() Options {
	if len(o.Topics) == 0 {
		for _, t := range topics.Public() {
			o.Topics = append(o.Topics, t.Name)
		}
	}
	o.Count = cmp.Or(o.Count, DefaultCount)
	o.Timeout = cmp.Or(o.Timeout, DefaultTimeout)
	if o.Run == "" {
		o.Run = "test-" + strconv.FormatUint(rand.Uint64(), 36)
	}
	return o
}

// pause is how long the test waits before it tries something again.
const pause = 100 * time.Millisecond

// errTimeout is why a test's context ends by itself.
var errTimeout = errors.New("the test's time is over")

// Run tests all topics at once. The error, a *problem.Error, means that the
// cluster could not be tested at all; what is wrong with a topic is in the
// report, and Report.Err sums it up.
func Run(ctx context.Context, cfg kafka.Config, options Options) (Report, error) {
	options = options.withDefaults()
	started := time.Now()
	testCtx, cancel := context.WithTimeoutCause(ctx, options.Timeout, errTimeout)
	defer cancel()
	// Refusals are wanted before the time is over, and with their cause: that
	// is given when the tries are used up, but not when a record times out.
	patience := options.Timeout * 2 / 3
	client, err := kafka.NewClient(cfg,
		kgo.ProducerLinger(0),
		kgo.RetryBackoffFn(func(int) time.Duration { return pause }),
		kgo.RecordRetries(int(patience/pause)),
		kgo.RetryTimeout(patience),
		kgo.MetadataMinAge(20*time.Millisecond),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.FetchMaxWait(time.Second),
	)
	if err != nil {
		return Report{}, err
	}
	test := &test{cfg: cfg, client: client, options: options}
	closeClient := sync.OnceFunc(client.Close)
	defer closeClient()

	cluster, err := test.look(testCtx)
	if err != nil {
		return Report{}, kafka.Explain(err, cfg)
	}
	if err := test.roundTrip(testCtx, closeClient); err != nil {
		return Report{}, kafka.Explain(err, cfg)
	}
	if err := ctx.Err(); err != nil {
		return Report{}, kafka.Explain(err, cfg)
	}
	report := Report{
		Run: options.Run, Cluster: cluster.ID, Brokers: cluster.Brokers, Passed: true,
		Started: started.UTC(), Topics: test.reports(ctx),
	}
	report.Seconds = time.Since(started).Seconds()
	report.Passed = !slices.ContainsFunc(report.Topics, func(t TopicReport) bool { return !t.Passed })
	return report, nil
}

// test is one run.
type test struct {
	cfg     kafka.Config
	client  *kgo.Client
	options Options
	topics  []*topicTest
}

// topicTest is what a run knows of one topic.
type topicTest struct {
	topic     kafka.Topic
	minInSync int // 0: not known
	findings  []Finding
	usable    []int32 // partitions that can take a durable write
	keys      int
	track     *track // nil where nothing can be sent
}

// roundTrip sends all records and waits until they came back, the cluster
// refused them, or the time is over. The client is closed when it returns.
func (t *test) roundTrip(ctx context.Context, closeClient func()) error {
	partitions := make(map[string][]int32)
	for _, topic := range t.topics {
		if len(topic.usable) > 0 {
			partitions[topic.topic.Name] = topic.usable
		}
	}
	if len(partitions) == 0 {
		return nil
	}
	ends, err := kafka.EndOffsets(ctx, t.client, partitions, kafka.ReadUncommitted)
	if err != nil {
		return err
	}
	if err := t.prepare(); err != nil {
		return err
	}
	t.client.AddConsumePartitions(startingAt(ends))
	w := newWait(t.topics)
	var working sync.WaitGroup
	workCtx, stop := context.WithCancel(ctx)
	working.Go(func() { t.consume(workCtx, w) })
	for _, topic := range t.topics {
		if topic.track != nil {
			working.Go(func() { t.produce(workCtx, topic, w) })
		}
	}
	select {
	case <-w.done:
	case <-ctx.Done():
	}
	stop()
	closeClient() // every record still on its way is answered with an error here
	working.Wait()
	return nil
}

func startingAt(ends map[string]map[int32]int64) map[string]map[int32]kgo.Offset {
	starts := make(map[string]map[int32]kgo.Offset)
	for topic, partitions := range ends {
		starts[topic] = make(map[int32]kgo.Offset)
		for id, end := range partitions {
			starts[topic][id] = kgo.NewOffset().At(end)
		}
	}
	return starts
}

// prepare makes the records of every topic that can take some.
func (t *test) prepare() error {
	for _, topic := range t.topics {
		if len(topic.usable) == 0 {
			continue
		}
		records, keys, err := makeRecords(t.options.Run, topic.topic, t.options.Count)
		if err != nil {
			return err
		}
		if len(topic.usable) < len(topic.topic.Partitions) {
			records, keys = onlyUsable(records, topic)
		}
		topic.keys, topic.track = keys, newTrack(t.options.Run, records)
	}
	return nil
}
