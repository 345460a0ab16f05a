package relay

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// A lane's last cursor is one for those that know of layouts, and unreadable for a
// relay that does not: it must not publish.
func TestTheLastCursor(t *testing.T) {
	last := Cursor{Position: Position{Xid: 1 << 60, Seq: 7}, SystemIdentifier: 1 << 63, Timeline: 2, At: time.Unix(1, 0).UTC(), Last: true}
	record, err := cursorRecord("key", last)
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodeCursor(record)
	if err != nil || *got != last {
		t.Errorf("%+v, %v", got, err)
	}
	var old Cursor
	if err := json.Unmarshal(record.Value, &old); err == nil {
		t.Errorf("a relay that knows of no layouts reads %+v", old)
	}
	last.Last = false
	if record, err = cursorRecord("key", last); err != nil {
		t.Fatal(err)
	}
	if got, err := decodeCursor(record); err != nil || *got != last {
		t.Errorf("%+v, %v", got, err)
	}
}

// The topic was given more partitions, and a lane's cursors are in another one since: the
// older one is read later.
func TestTheNewerCursorOfTwoPartitions(t *testing.T) {
	record := func(partition int32, c Cursor) *kgo.Record {
		t.Helper()
		r, err := cursorRecord("key", c)
		if err != nil {
			t.Fatal(err)
		}
		r.Partition = partition
		return r
	}
	at := func(seq int64) Cursor { return Cursor{Position: Position{Xid: 7, Seq: seq}} }
	last := at(3)
	last.Last = true
	for what, c := range map[string]struct {
		known, read *kgo.Record
		want        bool
	}{
		"the same partition":             {record(1, at(3)), record(1, at(2)), true}, // of a Kafka whose cursor was adopted
		"an older one":                   {record(1, at(3)), record(3, at(2)), false},
		"a newer one":                    {record(1, at(3)), record(3, at(4)), true},
		"the last where the lane was":    {record(1, at(3)), record(3, last), true},
		"where the last is":              {record(1, last), record(3, at(3)), false},
		"one that cannot be read":        {record(1, at(3)), &kgo.Record{Partition: 3, Value: []byte("?")}, true},
		"behind one that cannot be read": {&kgo.Record{Partition: 1, Value: []byte("?")}, record(3, at(3)), false},
	} {
		if got := supersedes(c.read, c.known); got != c.want {
			t.Errorf("%s: %t", what, got)
		}
	}
}
