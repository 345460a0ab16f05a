package relay_test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gamemetrics/gmctl/internal/topics"
	"github.com/gamemetrics/gmctl/services/relay"
)

// Each fault strikes in the midst of publishing. Whatever the broker answers,
// and whether or not it did what it was asked, each event is published once.
func TestFaultsOfTheBroker(t *testing.T) {
	keys := func(keys ...kmsg.Key) []kmsg.Key { return keys }
	for name, fault := range map[string]kfake.Fault{
		"commit refused":                 {Keys: keys(kmsg.EndTxn), Err: kerr.UnknownServerError, Count: 2},
		"commit times out":               {Keys: keys(kmsg.EndTxn), Err: kerr.RequestTimedOut, Count: 3},
		"commit: invalid state":          {Keys: keys(kmsg.EndTxn), Err: kerr.InvalidTxnState, Count: 1},
		"coordinator moves":              {Keys: keys(kmsg.EndTxn), Err: kerr.NotCoordinator, Count: 2},
		"coordinator loads":              {Keys: keys(kmsg.EndTxn, kmsg.InitProducerID), Err: kerr.CoordinatorLoadInProgress, Count: 3},
		"transaction to be aborted":      {Keys: keys(kmsg.Produce), Topic: topics.EventsRaw, Err: kerr.TransactionAbortable, Count: 1},
		"no coordinator":                 {Keys: keys(kmsg.FindCoordinator), Err: kerr.CoordinatorNotAvailable, Count: 2},
		"leader moves":                   {Keys: keys(kmsg.Produce), Topic: topics.EventsRaw, Err: kerr.NotLeaderForPartition, Count: 3},
		"written, and said not to be":    {Keys: keys(kmsg.Produce), Topic: topics.EventsRaw, Err: kerr.NotEnoughReplicasAfterAppend, Count: 2},
		"write times out":                {Keys: keys(kmsg.Produce), Topic: topics.EventsRaw, Err: kerr.RequestTimedOut, Count: 2},
		"cursor cannot be written":       {Keys: keys(kmsg.Produce), Topic: topics.RelayCursor, Err: kerr.KafkaStorageError, Count: 1},
		"cursor refused":                 {Keys: keys(kmsg.Produce), Topic: topics.RelayCursor, Err: kerr.TopicAuthorizationFailed, Count: 1},
		"cursor cannot be read":          {Keys: keys(kmsg.Fetch), Topic: topics.RelayCursor, Err: kerr.NotLeaderForPartition, Count: 2},
		"producer forgotten":             {Keys: keys(kmsg.Produce), Topic: topics.EventsRaw, Err: kerr.InvalidProducerIDMapping, Count: 1},
		"sequence lost":                  {Keys: keys(kmsg.Produce), Topic: topics.EventsRaw, Err: kerr.OutOfOrderSequenceNumber, Count: 1},
		"offsets cannot be listed":       {Keys: keys(kmsg.ListOffsets), Err: kerr.LeaderNotAvailable, Count: 2},
		"transactional id in transition": {Keys: keys(kmsg.InitProducerID, kmsg.EndTxn), Err: kerr.ConcurrentTransactions, Count: 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cluster, cfg := broker(t)
			source := newMemory()
			source.add(200)
			r := start(t, relay.Config{Source: source, Kafka: cfg, Batch: 16})
			await(t, "half is published", func() bool { return r.Status().Cursor.Seq > 60 })
			struck := cluster.Fault(fault)
			source.add(300)
			r.awaitPublished(t, source)
			if len(fault.Keys) == 1 && (fault.Keys[0] == kmsg.EndTxn || fault.Keys[0] == kmsg.Produce) && struck.Hits() == 0 {
				t.Error("the fault did not strike")
			}
			await(t, "nothing is wrong any more", func() bool { s := r.Status(); return s.State == relay.Running && s.Problem == nil })
			struck.Remove()
			audit(t, source.events, published(t, cfg, topics.EventsRaw))
		})
	}
}

// A broker whose quota the relay has used up answers with nothing, and so does one that
// does not know yet how far the log goes: that is not where the cursors end.
func TestABrokerGivesNothingForAWhile(t *testing.T) {
	cluster, cfg := broker(t)
	source := newMemory()
	source.add(50)
	r := start(t, relay.Config{Source: source, Kafka: cfg, Batch: 10})
	r.awaitPublished(t, source)
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	source.add(50)
	var asked atomic.Int64
	cluster.ControlKey(int16(kmsg.Fetch), func(request kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		times := asked.Add(1)
		if times > 4 {
			return nil, nil, false
		}
		nothing := request.ResponseKind().(*kmsg.FetchResponse)
		nothing.ThrottleMillis = 10
		if times%2 == 0 {
			nothing.ThrottleMillis = 0
			for _, of := range request.(*kmsg.FetchRequest).Topics {
				topic := kmsg.NewFetchResponseTopic()
				topic.Topic, topic.TopicID = of.Topic, of.TopicID
				partition := kmsg.NewFetchResponseTopicPartition()
				partition.Partition = of.Partitions[0].Partition
				topic.Partitions = append(topic.Partitions, partition)
				nothing.Topics = append(nothing.Topics, topic)
			}
		}
		return nothing, nil, true
	})
	r = start(t, relay.Config{Source: source, Kafka: cfg, Batch: 10})
	r.awaitPublished(t, source)
	audit(t, source.events, published(t, cfg, topics.EventsRaw))
}

// network stands between the broker and its clients, and loses answers.
type network struct {
	loseNext atomic.Bool   // the next answer is lost, with its connection
	losePer  atomic.Uint64 // of a thousand answers
	lost     atomic.Int64
}

func (n *network) listen(kind, address string) (net.Listener, error) {
	listener, err := net.Listen(kind, address)
	return lossyListener{listener, n}, err
}

type lossyListener struct {
	net.Listener
	network *network
}

func (l lossyListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	return lossyConn{conn, l.network}, err
}

type lossyConn struct {
	net.Conn
	network *network
}

// Write answers a request that the broker has carried out.
func (c lossyConn) Write(answer []byte) (int, error) {
	n := c.network
	if n.loseNext.CompareAndSwap(true, false) || rand.Uint64N(1000) < n.losePer.Load() {
		n.lost.Add(1)
		c.Close()
		return 0, net.ErrClosed
	}
	return c.Conn.Write(answer)
}

// A commit that the broker carried out, and whose answer is lost, is found done
// by the next session.
func TestTheAnswerToACommitIsLost(t *testing.T) {
	var network network
	cluster, cfg := broker(t, kfake.ListenFn(network.listen))
	source := newMemory()
	source.add(60)
	var commits atomic.Int64
	cluster.ControlKey(int16(kmsg.EndTxn), func(kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		if commits.Add(1)%3 == 0 {
			network.loseNext.Store(true)
		}
		return nil, nil, false
	})
	r := start(t, relay.Config{Source: source, Kafka: cfg, Batch: 5})
	r.awaitPublished(t, source)
	if network.lost.Load() == 0 {
		t.Error("no answer was lost")
	}
	audit(t, source.events, published(t, cfg, topics.EventsRaw))
}

// Answers of any kind are lost, relays are stopped and started at any moment,
// several run at once: what is published is each event once, in order.
func TestRandomLossesStopsAndRivals(t *testing.T) {
	for range 25 {
		seed := rand.Uint64()
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { live(t, rand.New(rand.NewPCG(seed, 0))) })
	}
}

func live(t *testing.T, random *rand.Rand) {
	var network network
	_, cfg := broker(t, kfake.ListenFn(network.listen))
	source := newMemory()
	network.losePer.Store([]uint64{0, 5, 30}[random.IntN(3)])
	batch := 1 + random.IntN(40)
	var rivals []*running
	for range 1 + random.IntN(5) {
		source.add(random.IntN(60))
		rivals = append(rivals, start(t, relay.Config{Source: source, Kafka: cfg, Batch: batch}))
		time.Sleep(time.Duration(random.IntN(30)) * time.Millisecond)
		if random.IntN(2) == 0 {
			rivals[len(rivals)-1].stop()
		}
	}
	network.losePer.Store(0)
	source.add(5)
	for _, r := range rivals {
		r.cancel() // and while they end, the last one begins
	}
	finish(t, relay.Config{Source: source, Kafka: cfg, Batch: batch}, source)
	for _, r := range rivals {
		<-r.ended
	}
	audit(t, source.events, published(t, cfg, topics.EventsRaw))
}

// finish publishes the rest, starting again when a rival that is about to end
// has fenced us.
func finish(t *testing.T, cfg relay.Config, source *memory) {
	t.Helper()
	last := source.events[len(source.events)-1].Position
	for deadline := time.Now().Add(20 * time.Second); ; {
		r := start(t, cfg)
		ended := false
		for !ended && r.Status().Cursor != last {
			if time.Now().After(deadline) {
				t.Fatalf("the last relay does not get through: %+v", r.Status())
			}
			select {
			case <-r.ended:
				ended = true
			case <-time.After(time.Millisecond):
			}
		}
		done := r.Status().Cursor == last
		r.stop()
		if done {
			return
		}
	}
}
