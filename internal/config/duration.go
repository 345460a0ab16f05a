package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

const day = 24 * time.Hour

// maxDays is how many days a time.Duration can hold.
const maxDays = int((1<<63 - 1) / day)

// ParseDuration reads a duration as Go writes it ("720h", "1h30m"), or with
// whole days of 24 hours in front ("30d", "1d12h").
func ParseDuration(text string) (time.Duration, error) {
	var whole, rest time.Duration
	var err error
	digits, tail, hasDays := strings.Cut(text, "d")
	if hasDays {
		days, daysErr := strconv.ParseUint(digits, 10, 32)
		if daysErr != nil || days > uint64(maxDays) {
			return 0, notADuration(text)
		}
		whole = time.Duration(days) * day
	} else {
		tail = text
	}
	if !hasDays || tail != "" {
		rest, err = time.ParseDuration(tail)
	}
	if err != nil || hasDays && (rest < 0 || whole+rest < 0) {
		return 0, notADuration(text)
	}
	return whole + rest, nil
}

func notADuration(text string) error {
	return fmt.Errorf(`%q is not a duration: write it like "30d", "12h" or "1h30m"`, text)
}

// FormatDuration writes a duration as a user would: whole days as "30d", else
// as Go does without the parts that are zero.
func FormatDuration(d time.Duration) string {
	if d >= 2*day && d%day == 0 {
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	text := d.String()
	if trimmed, ok := strings.CutSuffix(text, "m0s"); ok {
		text = trimmed + "m"
	}
	if trimmed, ok := strings.CutSuffix(text, "h0m"); ok {
		text = trimmed + "h"
	}
	return text
}
