package embedded

import (
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Options say what broker to start.
type Options struct {
	Dir       string // keeps the logs; made if it is not there. One broker at a time.
	Port      int    // on 127.0.0.1; 0: a free one
	ClusterID string
	Log       *slog.Logger // nil: none
}

// Broker is a running broker.
type Broker struct {
	dir     string
	cluster *kfake.Cluster
	note    *note
	failure *failure
}

// never is a pause that no process outlives.
const never = 10 * 365 * 24 * time.Hour

// Start mends the logs in the directory and starts a broker on them, every
// write synced to disk. Its error is a *problem.Error.
func Start(options Options) (*Broker, error) {
	if options.Log == nil {
		options.Log = slog.New(slog.DiscardHandler)
	}
	b, err := start(options)
	if err != nil {
		return nil, diskProblem("the embedded Kafka did not start", options.Dir, err)
	}
	return b, nil
}

func start(options Options) (*Broker, error) {
	note, err := openNote(options.Dir)
	if err != nil {
		return nil, err
	}
	if err := haveRoom(options.Dir); err != nil {
		return nil, errors.Join(err, note.close())
	}
	ended, err := mend(options.Dir, note.last)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("mend the logs: %w", err), note.close())
	}
	for _, t := range ended {
		options.Log.Info("ended a transaction that was cut off", "producer", t.producer.id, "epoch", t.producer.epoch, "committed", t.commit, "partitions", t.partitions)
	}
	if err := note.clear(); err != nil {
		return nil, errors.Join(err, note.close())
	}
	failure := newFailure(options.Log)
	cluster, err := kfake.NewCluster(
		kfake.WithLogger(failure),
		kfake.NumBrokers(1),
		kfake.Ports(options.Port),
		kfake.ClusterID(options.ClusterID),
		kfake.DataDir(options.Dir),
		kfake.SyncWrites(),
		kfake.BrokerConfigs(map[string]string{"log.cleaner.backoff.ms": strconv.FormatInt(never.Milliseconds(), 10)}),
	)
	if err != nil {
		return nil, errors.Join(err, note.close())
	}
	b := &Broker{dir: options.Dir, cluster: cluster, note: note, failure: failure}
	failure.cluster.Store(cluster)
	cluster.ControlKey(int16(kmsg.EndTxn), b.beforeEnd)
	cluster.ControlKey(int16(kmsg.AddPartitionsToTxn), b.beforeAdd)
	cluster.ControlKey(int16(kmsg.AddOffsetsToTxn), b.beforeAdd)
	return b, nil
}

// Address is where the broker listens, host:port.
func (b *Broker) Address() string { return b.cluster.ListenAddrs()[0] }

// Close stops the broker and saves its state; of one that Failed the logs are
// all that counts.
func (b *Broker) Close() error {
	failed := b.failure.happened()
	b.cluster.Close()
	if failed || b.failure.happened() {
		return errors.Join(forget(b.dir), b.note.close())
	}
	return b.note.close()
}

// beforeEnd notes a commit. kfake handles one request at a time, so the commit
// noted last is the only one that can be half done.
func (b *Broker) beforeEnd(request kmsg.Request) (kmsg.Response, error, bool) { //nolint:revive // kfake's signature
	b.cluster.KeepControl()
	if b.failure.happened() {
		return nil, b.failure.err, true // closes the connection
	}
	end, ok := request.(*kmsg.EndTxnRequest)
	if !ok || !end.Commit {
		return nil, nil, false
	}
	if err := b.note.write(producer{end.ProducerID, end.ProducerEpoch}); err != nil {
		return nil, err, true // a commit that cannot be noted is not begun
	}
	return nil, nil, false
}

// beforeAdd forgets the noted commit of a producer that begins its next
// transaction under the same epoch, as clients older than KIP-890 do.
func (b *Broker) beforeAdd(request kmsg.Request) (kmsg.Response, error, bool) { //nolint:revive // kfake's signature
	b.cluster.KeepControl()
	var p producer
	switch add := request.(type) {
	case *kmsg.AddPartitionsToTxnRequest:
		p = producer{add.ProducerID, add.ProducerEpoch}
	case *kmsg.AddOffsetsToTxnRequest:
		p = producer{add.ProducerID, add.ProducerEpoch}
	}
	if b.failure.happened() || b.note.last == nil || *b.note.last != p {
		return nil, nil, false
	}
	if err := b.note.clear(); err != nil {
		return nil, err, true
	}
	return nil, nil, false
}
