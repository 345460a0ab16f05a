package relay

import (
	"encoding/json"
	"testing"
	"time"
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
