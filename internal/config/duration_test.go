package config

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"30d": 30 * day, "0d": 0, "1d12h": 36 * time.Hour, "720h": 30 * day, "1h30m": 90 * time.Minute, "-5m": -5 * time.Minute,
	} {
		if got, err := ParseDuration(text); err != nil || got != want {
			t.Errorf("%q: got %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "d", "30", "30 d", "-1d", "1d-1h", "1.5d", "999999d", "106751d999h", "12hd", "30days", "1w"} {
		if got, err := ParseDuration(text); err == nil {
			t.Errorf("%q was read as %v", text, got)
		}
	}
}

func TestADurationIsReadAsItWasWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(0, 1<<62).Draw(t, "nanoseconds"))
		d = d.Truncate(rapid.SampledFrom([]time.Duration{1, time.Second, time.Hour, day}).Draw(t, "unit"))
		if got, err := ParseDuration(FormatDuration(d)); err != nil || got != d {
			t.Fatalf("%v was written as %q and read as %v, %v", d, FormatDuration(d), got, err)
		}
	})
}

func TestFormatDuration(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"30d": 30 * day, "24h": day, "1h30m": 90 * time.Minute, "5m": 5 * time.Minute, "1.5s": 1500 * time.Millisecond, "0s": 0,
	} {
		if got := FormatDuration(d); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
