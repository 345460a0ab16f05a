package suggest

import (
	"testing"

	"pgregory.net/rapid"
)

func TestNearest(t *testing.T) {
	commands := []string{"up", "status", "plan", "teardown", "kafka", "events", "history", "version"}
	for _, c := range []struct{ word, want string }{
		{"stauts", "status"},
		{"staus", "status"},
		{"Status", "status"},
		{"tear", "teardown"},
		{"pu", "up"},
		{"plna", "plan"},
		{"evnets", "events"},
		{"kafak", "kafka"},
		{"deploy", ""},
		{"x", ""},
		{"", ""},
	} {
		if got := Nearest(c.word, commands); got != c.want {
			t.Errorf("Nearest(%q) = %q, want %q", c.word, got, c.want)
		}
	}
}

// The distance is a metric in all but the triangle inequality, which swaps break.
func TestDistance(t *testing.T) {
	word := rapid.SliceOfN(rapid.RuneFrom([]rune("abc")), 0, 8)
	rapid.Check(t, func(t *rapid.T) {
		a, b := word.Draw(t, "a"), word.Draw(t, "b")
		d := distance(a, b)
		if d != distance(b, a) {
			t.Fatal("not symmetric")
		}
		if (d == 0) != (string(a) == string(b)) {
			t.Fatal("zero exactly for equal words")
		}
		if d < max(len(a)-len(b), len(b)-len(a)) || d > max(len(a), len(b)) {
			t.Fatalf("%d is out of bounds", d)
		}
	})
}
