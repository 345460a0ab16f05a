// Package humanize prints quantities as people read them: counts, sizes, times.
package humanize

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Count prints n with a comma between thousands: 1,204,511.
func Count(n int64) string {
	digits := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, digits = "-", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}

// Bytes prints a size in binary units with three figures: 48.2 MiB.
func Bytes(n int64) string {
	size, unit := math.Abs(float64(n)), 0
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	for size >= 999.5 && unit < len(units)-1 {
		size /= 1024
		unit++
	}
	sign := ""
	if n < 0 {
		sign = "-"
	}
	if unit == 0 {
		return fmt.Sprintf("%s%.0f B", sign, size)
	}
	return sign + threeFigures(size) + " " + units[unit]
}

// threeFigures prints 0 ≤ x < 1024 as 1.23, 12.3 or 123.
func threeFigures(x float64) string {
	switch {
	case x < 9.995:
		return strconv.FormatFloat(x, 'f', 2, 64)
	case x < 99.95:
		return strconv.FormatFloat(x, 'f', 1, 64)
	default:
		return strconv.FormatFloat(x, 'f', 0, 64)
	}
}

// Duration prints d as a person reads it, two units at most: 850µs, 12ms,
// 1.2s, 48s, 3m 05s, 2h 10m, 4d 3h.
func Duration(d time.Duration) string {
	switch {
	case d < 0:
		return "-" + Duration(-d)
	case d == 0:
		return "0s"
	case d < time.Microsecond:
		return d.String()
	case d < time.Millisecond:
		return fmt.Sprintf("%dµs", d.Microseconds())
	case d < 100*time.Millisecond:
		return fmt.Sprintf("%dms", d.Milliseconds())
	}
	return Elapsed(d)
}

// Elapsed is Duration with tenths of a second at the finest, for a figure that
// is redrawn while it grows.
func Elapsed(d time.Duration) string {
	if tenths := d.Round(100 * time.Millisecond); tenths < 10*time.Second {
		return fmt.Sprintf("%.1fs", tenths.Seconds())
	}
	d = d.Round(time.Second)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm %02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh %02dm", int(d.Hours()), int(d.Minutes())%60)
	default:
		return fmt.Sprintf("%dd %dh", int(d.Hours())/24, int(d.Hours())%24)
	}
}

// Usually prints how long something tends to take: 2s, 1m, 15m.
func Usually(d time.Duration) string {
	return strings.TrimSuffix(strings.TrimSuffix(strings.Replace(Duration(d), ".0s", "s", 1), " 00s"), " 00m")
}

// Ago prints how long before now t was: "just now", "12s ago", "3m ago",
// "2h ago", "4d ago"; the zero time is "-".
func Ago(t, now time.Time) string {
	if t.IsZero() {
		return "-"
	}
	age := Age(t, now)
	if age == "0s" {
		return "just now"
	}
	return age + " ago"
}

// Age prints the time from t to now in its largest unit alone: 12s, 3m, 2h,
// 4d; the zero time is "-".
func Age(t, now time.Time) string {
	if t.IsZero() {
		return "-"
	}
	d := max(0, now.Sub(t))
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	default:
		return fmt.Sprintf("%dd", int(d.Hours())/24)
	}
}

// Quantity prints a number with its unit; the units "bytes" and "s" get their
// human forms.
func Quantity(value float64, unit string) string {
	switch unit {
	case "bytes":
		return Bytes(int64(value))
	case "s":
		return Duration(time.Duration(value * float64(time.Second)))
	}
	number := Count(int64(value))
	if value != math.Trunc(value) {
		number = strconv.FormatFloat(value, 'g', 3, 64)
	}
	if unit == "" {
		return number
	}
	if unit == "%" {
		return number + unit
	}
	return number + " " + Noun(value, unit)
}

// Noun is a unit in the number of value: "event" of 1, else "events" as given.
func Noun(value float64, unit string) string {
	if value == 1 && len(unit) > 1 {
		return strings.TrimSuffix(unit, "s")
	}
	return unit
}

// Plural prints n and the noun it counts: "1 topic", "6 topics".
func Plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return Count(int64(n)) + " " + noun + "s"
}
