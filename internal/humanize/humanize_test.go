package humanize

import (
	"testing"
	"time"
)

func TestAsPeopleReadThem(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
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
		{Quantity(48<<20, "bytes"), "48.0 MiB"},
		{Quantity(0.0124, "s"), "12ms"},
		{Quantity(12.34, "%"), "12.3%"},
		{Quantity(6, ""), "6"},
		{Quantity(1, "events"), "1 event"},
		{Quantity(2000, "events"), "2,000 events"},
		{Quantity(1, "s"), "1.0s"},
		{Age(now.Add(-time.Hour), now), "1h"},
		{Age(time.Time{}, now), "-"},
		{Noun(1, "events"), "event"},
		{Noun(0, "events"), "events"},
		{Plural(1, "topic"), "1 topic"},
		{Plural(1200, "topic"), "1,200 topics"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}
