package event

import "time"

// parseTime reads an RFC 3339 time, to whole microseconds in UTC.
func parseTime(text []byte) (time.Time, bool) {
	if !isRFC3339(text) {
		return time.Time{}, false
	}
	var at time.Time
	if err := at.UnmarshalText(text); err != nil {
		return time.Time{}, false
	}
	return at.UTC().Truncate(time.Microsecond), true
}

// isRFC3339 checks the form alone. The time package is more lenient: it takes
// one-digit hours, a comma before the fraction and offsets of 24 hours.
func isRFC3339(text []byte) bool {
	const date = "0000-00-00T00:00:00"
	if len(text) <= len(date) || !like(text[:len(date)], date) {
		return false
	}
	rest := text[len(date):]
	if rest[0] == '.' {
		digits := 1
		for digits < len(rest) && '0' <= rest[digits] && rest[digits] <= '9' {
			digits++
		}
		if digits == 1 {
			return false
		}
		rest = rest[digits:]
	}
	if string(rest) == "Z" {
		return true
	}
	if !like(rest, "+00:00") && !like(rest, "-00:00") {
		return false
	}
	return string(rest[1:3]) <= "23" && string(rest[4:6]) <= "59"
}

// like reports whether text is the pattern, with any digit for each 0.
func like(text []byte, pattern string) bool {
	if len(text) != len(pattern) {
		return false
	}
	for i, c := range text {
		if '0' <= c && c <= '9' {
			c = '0'
		}
		if c != pattern[i] {
			return false
		}
	}
	return true
}
