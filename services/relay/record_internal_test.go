package relay

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/gamemetrics/gmctl/pkg/event"
)

// Records of a batch share memory, and the next batch has it again: each must have
// its own bytes while it is in use, whatever the sizes.
func TestRecordsOfABatchKeepApart(t *testing.T) {
	const seed = 7
	random := rand.New(rand.NewPCG(seed, seed))
	now := time.Now().UTC().Truncate(time.Microsecond)
	var w recordWriter
	for range 20 {
		events := make([]Event, random.IntN(3000))
		for i := range events {
			size := random.IntN(300)
			switch random.IntN(200) {
			case 0:
				size = recordsChunk + random.IntN(1000)
			case 1:
				size = recordsChunk - random.IntN(2*recordFixed)
			}
			events[i] = Event{Received: event.Received{ReceivedAt: now, Event: event.Event{
				EventID: uuid.New(), Timestamp: now, EventType: strings.Repeat("t", 1+random.IntN(64)),
				PlayerID: fmt.Sprint(i) + strings.Repeat(`"`, random.IntN(120)), // quoted it has twice the size
				Metadata: json.RawMessage(`"` + strings.Repeat("m", size) + `"`),
			}}}
		}
		w.begin(len(events))
		for i := range events {
			w.add(&events[i], nil)
		}
		for i, r := range w.records {
			want, err := events[i].AppendJSON(nil)
			if err != nil {
				t.Fatal(err)
			}
			if r.rejected != nil || string(r.record.Key) != events[i].PlayerID || string(r.record.Value) != string(want) {
				t.Fatalf("seed %d: record %d has key %q and value %.200q, want %q and %.200q", seed, i, r.record.Key, r.record.Value, events[i].PlayerID, want)
			}
		}
	}
}
