// Package when reads the past times that people type: how long ago, a day, or a
// time.
package when

import (
	"strconv"
	"strings"
	"time"
)

// Forms tells what Past reads, for the help of a flag or the remedy of an error.
const Forms = "how long ago (10m, 24h, 7d), a day (2026-03-01) or a time (2026-03-01T18:30:00Z)"

// Past returns the time that text means as seen from now: an age such as 10m or
// 7d, a day, or a time with its zone or, without one, in now's. It reports false
// for anything else.
func Past(text string, now time.Time) (at time.Time, ok bool) {
	if age, err := time.ParseDuration(text); err == nil {
		return now.Add(-age), age >= 0
	}
	if days, found := strings.CutSuffix(text, "d"); found {
		n, err := strconv.Atoi(days)
		return now.AddDate(0, 0, -n), err == nil && n >= 0
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", time.DateTime, time.DateOnly} {
		if at, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return at, true
		}
	}
	return time.Time{}, false
}
