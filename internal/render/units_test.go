package render

import (
	"testing"
	"time"

	"github.com/gamemetrics/gmctl/internal/engine"
)

func TestUnits(t *testing.T) {
	now := epoch
	for _, c := range []struct{ got, want string }{
		{Count(0), "0"},
		{Count(999), "999"},
		{Count(1204), "1,204"},
		{Count(-1234567), "-1,234,567"},
		{Bytes(0), "0 B"},
		{Bytes(999), "999 B"},
		{Bytes(1000), "0.98 KiB"},
		{Bytes(1536), "1.50 KiB"},
		{Bytes(48 << 20), "48.0 MiB"},
		{Bytes(1023 << 20), "1.00 GiB"},
		{Bytes(5 << 40), "5.00 TiB"},
		{Bytes(-2048), "-2.00 KiB"},
		{Duration(0), "0s"},
		{Duration(850 * time.Microsecond), "850µs"},
		{Duration(12 * time.Millisecond), "12ms"},
		{Duration(1234 * time.Millisecond), "1.2s"},
		{Duration(9960 * time.Millisecond), "10s"},
		{Duration(59600 * time.Millisecond), "1m 00s"},
		{Duration(185 * time.Second), "3m 05s"},
		{Duration(130 * time.Minute), "2h 10m"},
		{Duration(99 * time.Hour), "4d 3h"},
		{Elapsed(0), "0.0s"},
		{Usually(2 * time.Second), "2s"},
		{Usually(15 * time.Minute), "15m"},
		{Usually(90 * time.Second), "1m 30s"},
		{Usually(time.Hour), "1h"},
		{Usually(20 * time.Minute), "20m"},
		{Ago(now, now), "just now"},
		{Ago(now.Add(time.Hour), now), "just now"},
		{Ago(now.Add(-3*time.Minute), now), "3m ago"},
		{Ago(now.Add(-26*time.Hour), now), "26h ago"},
		{Ago(now.Add(-100*time.Hour), now), "4d ago"},
		{Ago(time.Time{}, now), "-"},
		{Figure(engine.Figure{Name: "events stored", Value: 1204, Unit: "events"}), "1,204 events stored"},
		{Figure(engine.Figure{Name: "events stored", Value: 1, Unit: "events"}), "1 event stored"},
		{Figure(engine.Figure{Name: "published", Value: 1, Unit: "events"}), "published 1 event"},
		{Figure(engine.Figure{Name: "lag", Value: 3, Unit: "events"}), "lag 3 events"},
		{Figure(engine.Figure{Name: "on disk", Value: 48 << 20, Unit: "bytes", Approx: true}), "on disk ~48.0 MiB"},
		{Figure(engine.Figure{Name: "topics", Value: 6}), "6 topics"},
		{Figure(engine.Figure{Name: "latency", Value: 0.0124, Unit: "s"}), "latency 12ms"},
		{Plural(1, "topic"), "1 topic"},
		{Plural(1200, "topic"), "1,200 topics"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}
