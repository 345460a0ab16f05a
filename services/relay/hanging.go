package relay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// Once the transactional id is initialised no transaction of it is open. Kafka
// may leave one open all the same, on some of its partitions: a coordinator that
// was killed while it ended a transaction takes it for ended when it is back,
// though not all partitions have the marker (seen with Apache Kafka 4.3.1). Such
// a partition shows nothing more to readers of committed records. Worse, the
// markers of the next transaction would end both: what was aborted would be read.
//
// So before it publishes a session looks for what hangs, and ends it as the rest
// of that transaction was ended: the marker that some partition has says how.
// Where none has one, no reader has seen any of it, and it is aborted; the cursor,
// which is part of the transaction, is then that of the one before.

// producing is what a partition knows of a producer.
type producing struct {
	topic            string
	partition        int32
	epoch            int16
	coordinatorEpoch int32
	last             time.Time
	open             bool // it has a transaction without a marker
}

// evidenceLasts is how long partitions surely know a producer that writes no more:
// half of Kafka's default (producer.id.expiration.ms).
const evidenceLasts = 12 * time.Hour

// errUnclear is why a transaction that hangs is left alone.
var errUnclear = errors.New("how it was ended cannot be told")

// settle ends what hangs of this relay's last transaction.
func (s *session) settle(ctx context.Context) error {
	id, epoch, err := s.client.ProducerID(ctx)
	if err != nil {
		return fmt.Errorf("initialise the transactional id: %w", err)
	}
	known, err := s.producing(ctx, id)
	if err != nil {
		s.relay.cfg.Log.Debug("Kafka does not say what its partitions know of this relay", "error", err)
		return nil // it may not be asked, or is too old for the question
	}
	hanging, ended, err := split(known, epoch, s.clock.now())
	if len(hanging) == 0 {
		return nil
	}
	if err == nil && !s.epochPerTransaction(ctx) {
		err = errUnclear
	}
	commit := false
	for _, p := range ended {
		if err != nil {
			break
		}
		commit, err = s.endedByCommit(ctx, id, p)
	}
	if err == nil {
		err = s.end(ctx, id, commit, hanging)
	}
	h := hanging[0]
	if err != nil {
		return &problem.Error{
			What:  fmt.Sprintf("Kafka has left a transaction of this relay open on %s, partition %d, and %d more", h.topic, h.partition, len(hanging)-1),
			Cause: err,
			Next:  "let the relay's user write markers (Alter on the cluster) until it has started once; an abort by hand may publish events twice",
		}
	}
	s.relay.cfg.Log.Warn("a transaction that Kafka had left open was ended", "partitions", len(hanging), "first", fmt.Sprintf("%s/%d", h.topic, h.partition), "committed", commit)
	return nil
}

// producing asks the partitions that the relay writes to what they know of it.
func (s *session) producing(ctx context.Context, id int64) ([]producing, error) {
	admin := kadm.NewClient(s.client)
	var names []string
	for _, topic := range needed() {
		names = append(names, topic.Name)
	}
	details, err := admin.ListTopics(ctx, names...)
	if err != nil {
		return nil, err
	}
	described, err := admin.DescribeProducers(ctx, details.TopicsSet())
	if err != nil {
		return nil, err
	}
	var known []producing
	for _, p := range described.SortedPartitions() {
		if p.Err != nil {
			return nil, p.Err
		}
		if of, ok := p.ActiveProducers[id]; ok {
			known = append(known, producing{
				topic: p.Topic, partition: p.Partition, epoch: of.ProducerEpoch, coordinatorEpoch: max(of.CoordinatorEpoch, 0),
				last: time.UnixMilli(of.LastTimestamp), open: of.CurrentTxnStartOffset >= 0,
			})
		}
	}
	return known, nil
}

// split returns the partitions on which a transaction hangs, and those that have
// the marker of the same transaction. own is the epoch of this session, under
// which nothing is written yet. Each transaction has an epoch, and its markers the
// one that follows.
func split(known []producing, own int16, now time.Time) (hanging, ended []producing, err error) {
	var written time.Time // not before: a record has the time of its event, and the cursor's its own
	for _, p := range known {
		if p.open {
			hanging = append(hanging, p)
		}
		if p.last.After(written) {
			written = p.last
		}
	}
	for _, p := range known {
		switch {
		case len(hanging) == 0:
			return nil, nil, nil
		case p.open && (p.epoch != hanging[0].epoch || p.epoch >= own || now.Sub(written) > evidenceLasts),
			!p.open && p.epoch > hanging[0].epoch+1:
			err = errUnclear
		case !p.open && p.epoch == hanging[0].epoch+1:
			ended = append(ended, p)
		}
	}
	return hanging, ended, err
}

// epochPerTransaction reports whether Kafka gives each transaction an epoch of its
// own (KIP-890, the default from 4.0 on). Otherwise a marker does not say which
// transaction it has ended.
func (s *session) epochPerTransaction(ctx context.Context) bool {
	versions, err := kadm.NewClient(s.client).ApiVersions(ctx)
	if err != nil {
		return false
	}
	all := len(versions) > 0
	for _, of := range versions {
		level := int16(0)
		if of.Err == nil {
			for _, feature := range of.Raw().FinalizedFeatures {
				if feature.Name == "transaction.version" {
					level = feature.MaxVersionLevel
				}
			}
		}
		all = all && level >= 2
	}
	return all
}

// endedByCommit reads the marker that ended the transaction on a partition.
func (s *session) endedByCommit(ctx context.Context, id int64, p producing) (bool, error) {
	log, err := openLog(ctx, s.client, p.topic)
	if err != nil {
		return false, err
	}
	for _, l := range log.partitions {
		if l.partition != p.partition {
			continue
		}
		l.raw = true
		var marker *kgo.Record
		err := l.backward(ctx, func(r *kgo.Record) bool {
			if r.Attrs.IsControl() && r.ProducerID == id && r.ProducerEpoch == p.epoch {
				marker = r
			}
			return marker != nil
		})
		if err != nil {
			return false, err
		}
		if marker != nil {
			var key kmsg.ControlRecordKey
			err := key.ReadFrom(marker.Key)
			return key.Type == kmsg.ControlRecordKeyTypeCommit, err
		}
	}
	return false, errUnclear
}

// end writes the markers that are missing.
func (s *session) end(ctx context.Context, id int64, commit bool, hanging []producing) error {
	for _, p := range hanging { // each has the epoch of the coordinator that it knows
		var at kadm.TopicsSet
		at.Add(p.topic, p.partition)
		answers, err := kadm.NewClient(s.client).WriteTxnMarkers(ctx, kadm.TxnMarkers{
			ProducerID: id, ProducerEpoch: p.epoch, Commit: commit, CoordinatorEpoch: p.coordinatorEpoch, Topics: at,
		})
		if err != nil {
			return err
		}
		answered := false
		for _, answer := range answers.SortedPartitions() {
			answered = true
			if answer.Err != nil {
				return answer.Err
			}
		}
		if !answered {
			return kerr.UnknownServerError
		}
	}
	return nil
}
