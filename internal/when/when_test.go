package when

import (
	"testing"
	"time"
)

func TestPast(t *testing.T) {
	zone := time.FixedZone("there", 2*60*60)
	now := time.Date(2026, 3, 14, 12, 0, 0, 0, zone)
	for text, want := range map[string]time.Time{
		"0s":                        now,
		"90s":                       now.Add(-90 * time.Second),
		"1h30m":                     now.Add(-90 * time.Minute),
		"7d":                        time.Date(2026, 3, 7, 12, 0, 0, 0, zone),
		"2026-03-01":                time.Date(2026, 3, 1, 0, 0, 0, 0, zone),
		"2026-03-01 10:00:00":       time.Date(2026, 3, 1, 10, 0, 0, 0, zone),
		"2026-03-01T10:00:00":       time.Date(2026, 3, 1, 10, 0, 0, 0, zone),
		"2026-03-01T10:00:00Z":      time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC),
		"2026-03-01T10:00:00.5Z":    time.Date(2026, 3, 1, 10, 0, 0, 5e8, time.UTC),
		"2026-03-01T10:00:00-05:00": time.Date(2026, 3, 1, 15, 0, 0, 0, time.UTC),
	} {
		if got, ok := Past(text, now); !ok || !got.Equal(want) {
			t.Errorf("%q is %s, %v, want %s", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "yesterday", "5", "-3h", "-1d", "d", "1.5d", "2026-13-01", "03-01-2026", "10:00"} {
		if got, ok := Past(text, now); ok {
			t.Errorf("%q is %s", text, got)
		}
	}
}
