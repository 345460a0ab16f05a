package render

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestTruncate(t *testing.T) {
	for _, c := range []struct {
		text  string
		width int
		want  string
	}{
		{"postgres", 8, "postgres"},
		{"postgres", 7, "postgr…"},
		{"postgres", 1, "…"},
		{"postgres", 0, ""},
		{"\x1b[31mred\x1b[0m and plain", 6, "\x1b[31mred\x1b[0m a…"},
		{"\x1b[31mred and red\x1b[0m", 5, "\x1b[31mred …\x1b[0m"},
		{"\x1b[31mred\x1b[0m plain", 3, "\x1b[31mre…\x1b[0m"},
		{"日本語", 5, "日本…"},
		{"日本語", 4, "日…"},
	} {
		if got := Truncate(c.text, c.width); got != c.want {
			t.Errorf("Truncate(%q, %d) = %q, want %q", c.text, c.width, got, c.want)
		}
	}
}

// Truncated text never takes more columns than allowed, keeps all its escape
// codes, and stays as it is where it fits.
func TestTruncateProperties(t *testing.T) {
	piece := rapid.SampledFrom([]string{"a", "bc ", "日", "é", "\x1b[31m", "\x1b[0m", "…", "→", "👩‍🚀"})
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOf(piece).Draw(t, "text"), "")
		width := rapid.IntRange(0, 40).Draw(t, "width")
		got := Truncate(text, width)
		if Width(got) > width {
			t.Fatalf("%q takes %d columns, allowed are %d", got, Width(got), width)
		}
		if Width(text) <= width && width > 0 && got != text {
			t.Fatalf("%q fits %d columns and became %q", text, width, got)
		}
		if width > 0 && strings.Count(got, "\x1b") != strings.Count(text, "\x1b") {
			t.Fatalf("%q lost escape codes: %q", text, got)
		}
	})
}

func TestWrap(t *testing.T) {
	got := Wrap("stop what listens on port 5432,\nor choose another-one-that-is-long", 12)
	want := "stop what|listens on|port 5432,|or choose|another-one-that-is-long"
	if strings.Join(got, "|") != want {
		t.Errorf("got %q", got)
	}
}
