package logs

import (
	"fmt"
	"strconv"
	"time"

	"github.com/gamemetrics/gmctl/internal/config"
	"github.com/gamemetrics/gmctl/internal/problem"
)

// parseTail reads the value of --tail: how many lines, -1 for all.
func parseTail(value string, since bool) (int, error) {
	switch {
	case value == "" && since, value == "all":
		return -1, nil
	case value == "":
		return defaultTail, nil
	}
	lines, err := strconv.Atoi(value)
	if err != nil || lines < 0 {
		return 0, &problem.Error{What: fmt.Sprintf("%q is not a number of lines", value), Next: "give --tail a number such as 50, or all", Kind: problem.Usage}
	}
	return lines, nil
}

// parseSince reads the value of --since; the zero time for none.
func parseSince(value string, now time.Time) (time.Time, error) {
	if value == "" {
		return time.Time{}, nil
	}
	if ago, err := config.ParseDuration(value); err == nil {
		return now.Add(-ago.Abs()), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", time.DateOnly} {
		if at, err := time.ParseInLocation(layout, value, now.Location()); err == nil {
			return at, nil
		}
	}
	return time.Time{}, &problem.Error{
		What: fmt.Sprintf("%q is not a time", value),
		Next: "give --since how long ago (10m, 24h, 7d), a day (2026-03-01) or a time (2026-03-01T12:00:00Z)",
		Kind: problem.Usage,
	}
}
