package relay

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/topics"
)

// longTopic is a topic of cursors that takes several fetches to read.
type longTopic struct {
	cursors
	*kfake.Cluster
	keys int

	mu    sync.Mutex
	asked []int64 // the offsets that were fetched from
}

func newLongTopic(t *testing.T) *longTopic {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, topics.RelayCursor))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	l := &longTopic{Cluster: cluster, keys: 20, cursors: cursors{kafka: kafka.Config{Brokers: cluster.ListenAddrs()}}}
	t.Cleanup(l.close)
	client, err := kafka.NewClient(l.kafka, kgo.ProducerBatchCompression(kgo.NoCompression()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for i := range l.keys {
		record := &kgo.Record{Topic: topics.RelayCursor, Key: fmt.Append(nil, i), Value: []byte(strings.Repeat(" ", 900<<10))}
		if err := client.ProduceSync(t.Context(), record).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

// eachFetch calls strike with how many fetches there were before. It returns the code of the
// error to answer with; 0: none.
func (l *longTopic) eachFetch(strike func(before int) int16) {
	l.ControlKey(int16(kmsg.Fetch), func(request kmsg.Request) (kmsg.Response, error, bool) {
		l.KeepControl()
		l.mu.Lock()
		before := len(l.asked)
		l.asked = append(l.asked, request.(*kmsg.FetchRequest).Topics[0].Partitions[0].FetchOffset)
		l.mu.Unlock()
		if code := strike(before); code != 0 {
			answer := request.ResponseKind().(*kmsg.FetchResponse)
			answer.ErrorCode = code
			return answer, nil, true
		}
		return nil, nil, false
	})
}

// What was read before an error is not read again: each try comes further.
func TestCursorsAreReadOn(t *testing.T) {
	l := newLongTopic(t)
	l.eachFetch(func(before int) int16 {
		if before%2 == 1 {
			return kerr.UnknownServerError.Code
		}
		return 0
	})
	failed := 0
	latest, err := l.read(t.Context())
	for ; err != nil && failed < 10; failed++ {
		latest, err = l.read(t.Context())
	}
	if failed == 0 || len(latest) != l.keys {
		t.Errorf("%d tries failed (%v), %d of %d cursors are read", failed, err, len(latest), l.keys)
	}
	if !slices.IsSorted(l.asked) {
		t.Errorf("it has read from %v", l.asked)
	}
}

// A topic may take longer to read than one waits for open transactions.
func TestCursorsAreReadForAsLongAsItTakes(t *testing.T) {
	l := newLongTopic(t)
	l.eachFetch(func(int) int16 {
		l.SleepControl(func() { time.Sleep(gateRead / 2) })
		return 0
	})
	if latest, err := l.read(t.Context()); err != nil || len(latest) != l.keys || len(l.asked) < 3 {
		t.Errorf("%d of %d cursors are read, in %d parts: %v", len(latest), l.keys, len(l.asked), err)
	}
}
