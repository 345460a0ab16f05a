package embedded

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// partitionLog is the log of a partition as kfake keeps it: segments of record
// batches, <first offset>.dat, each with an index, <first offset>.idx, that has
// one entry a batch.
type partitionLog struct {
	dir     string
	bases   []int64 // of its segments, ascending
	next    int64   // offset of the next record
	epoch   int32   // of the last batch's leader
	pending map[int64]producer
}

const (
	batchPrefix    = 12 // offset and length, before what the length counts
	batchHeader    = 61 // up to the records
	indexEntrySize = 15

	attributeTransactional = 0x10
	attributeControl       = 0x20
)

func (l *partitionLog) path(base int64, ending string) string {
	return filepath.Join(l.dir, strconv.FormatInt(base, 10)+ending)
}

// readLog reads a log. Bytes that a kill left behind the last whole batch are
// cut off, as kfake would; index entries that it left out are added, as they
// would have been: kfake takes a batch without one for committed.
func readLog(dir string) (*partitionLog, error) {
	l := &partitionLog{dir: dir, pending: make(map[int64]producer)}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		name, isSegment := strings.CutSuffix(e.Name(), ".dat")
		if base, err := strconv.ParseInt(name, 10, 64); isSegment && err == nil {
			l.bases = append(l.bases, base)
		}
	}
	slices.Sort(l.bases)
	for _, base := range l.bases {
		if err := l.readSegment(base); err != nil {
			return nil, err
		}
	}
	return l, nil
}

func (l *partitionLog) readSegment(base int64) error {
	data, err := os.ReadFile(l.path(base, ".dat"))
	if err != nil {
		return err
	}
	index, err := os.ReadFile(l.path(base, ".idx"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	at, count := 0, 0
	var rebuilt []byte
	for {
		batch := firstBatch(data[at:])
		if batch == nil {
			break
		}
		entry := index[min(count*indexEntrySize, len(index)):]
		if len(entry) < indexEntrySize || !validEntry(entry[:indexEntrySize]) {
			entry = batch.indexEntry()
		}
		rebuilt = append(rebuilt, entry[:indexEntrySize]...)
		l.follow(batch, entry[indexEntrySize-1]&1 != 0)
		at += len(batch)
		count++
	}
	if at < len(data) {
		if err := truncate(l.path(base, ".dat"), int64(at)); err != nil {
			return err
		}
	}
	if string(rebuilt) != string(index) {
		return replace(l.path(base, ".idx"), rebuilt)
	}
	return nil
}

// follow keeps account of open transactions. inTransaction is what the index
// says: it is false for a batch whose transaction ended before the log was
// last rewritten.
func (l *partitionLog) follow(b batch, inTransaction bool) {
	l.next, l.epoch = b.lastOffset()+1, b.leaderEpoch()
	switch {
	case b.attributes()&attributeControl != 0:
		delete(l.pending, b.producer().id)
	case inTransaction:
		l.pending[b.producer().id] = b.producer()
	}
}

// open returns the producers whose transactions have no end in this log.
func (l *partitionLog) open() []producer {
	var open []producer
	for _, p := range l.pending {
		open = append(open, p)
	}
	slices.SortFunc(open, func(a, b producer) int { return int(a.epoch) - int(b.epoch) })
	return open
}

// appendMarker ends the producer's transaction. It returns when that is on disk.
func (l *partitionLog) appendMarker(p producer, commit bool) error {
	marker := newMarker(p, commit, l.next, l.epoch)
	base := l.bases[len(l.bases)-1] // a log with an open transaction has a segment
	if err := appendSynced(l.path(base, ".dat"), marker); err != nil {
		return err
	}
	if err := appendSynced(l.path(base, ".idx"), marker.indexEntry()); err != nil {
		return err
	}
	l.follow(marker, false)
	return nil
}

// batch is one record batch in Kafka's format, version 2.
type batch []byte

// firstBatch returns the batch that data begins with, nil if there is no whole one.
func firstBatch(data []byte) batch {
	if len(data) < batchHeader {
		return nil
	}
	length := int64(binary.BigEndian.Uint32(data[8:])) + batchPrefix
	if length < batchHeader || length > int64(len(data)) {
		return nil
	}
	b := batch(data[:length])
	if crc32.Checksum(b[21:], castagnoli()) != binary.BigEndian.Uint32(b[17:]) {
		return nil
	}
	return b
}

func (b batch) offset() int64      { return int64(binary.BigEndian.Uint64(b)) }
func (b batch) leaderEpoch() int32 { return int32(binary.BigEndian.Uint32(b[12:])) }
func (b batch) attributes() uint16 { return binary.BigEndian.Uint16(b[21:]) }
func (b batch) lastOffset() int64  { return b.offset() + int64(binary.BigEndian.Uint32(b[23:])) }
func (b batch) producer() producer {
	return producer{int64(binary.BigEndian.Uint64(b[43:])), int16(binary.BigEndian.Uint16(b[51:]))}
}

// indexEntry returns kfake's index entry of the batch: version, a byte of
// CRC-32C of the rest, leader epoch, a timestamp that kfake does not trust and
// computes anew, and whether the batch is part of a transaction; little-endian.
func (b batch) indexEntry() []byte {
	entry := make([]byte, indexEntrySize)
	entry[0] = 1
	binary.LittleEndian.PutUint32(entry[2:], uint32(b.leaderEpoch()))
	if b.attributes()&(attributeTransactional|attributeControl) == attributeTransactional {
		entry[14] = 1
	}
	entry[1] = byte(crc32.Checksum(entry[2:], castagnoli()))
	return entry
}

func validEntry(entry []byte) bool {
	return entry[1] == byte(crc32.Checksum(entry[2:], castagnoli()))
}

// newMarker returns the control batch that ends a transaction.
func newMarker(p producer, commit bool, offset int64, leaderEpoch int32) batch {
	key := kmsg.ControlRecordKey{Type: kmsg.ControlRecordKeyTypeAbort}
	if commit {
		key.Type = kmsg.ControlRecordKeyTypeCommit
	}
	record := kmsg.Record{Key: key.AppendTo(nil), Value: (&kmsg.EndTxnMarker{}).AppendTo(nil)}
	record.Length = int32(len(record.AppendTo(nil)) - 1) // without the length itself, one byte here
	now := time.Now().UnixMilli()
	raw := (&kmsg.RecordBatch{
		FirstOffset: offset, PartitionLeaderEpoch: leaderEpoch, Magic: 2,
		Attributes:     attributeTransactional | attributeControl,
		FirstTimestamp: now, MaxTimestamp: now,
		ProducerID: p.id, ProducerEpoch: p.epoch, FirstSequence: -1,
		NumRecords: 1, Records: record.AppendTo(nil),
	}).AppendTo(nil)
	binary.BigEndian.PutUint32(raw[8:], uint32(len(raw)-batchPrefix))
	binary.BigEndian.PutUint32(raw[17:], crc32.Checksum(raw[21:], castagnoli()))
	return raw
}
