package render

import (
	"testing"

	"github.com/gamemetrics/gmctl/internal/engine"
)

func TestFigure(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{Figure(engine.Figure{Name: "events stored", Value: 1204, Unit: "events"}), "1,204 events stored"},
		{Figure(engine.Figure{Name: "events stored", Value: 1, Unit: "events"}), "1 event stored"},
		{Figure(engine.Figure{Name: "published", Value: 1, Unit: "events"}), "published 1 event"},
		{Figure(engine.Figure{Name: "lag", Value: 3, Unit: "events"}), "lag 3 events"},
		{Figure(engine.Figure{Name: "on disk", Value: 48 << 20, Unit: "bytes", Approx: true}), "on disk ~48.0 MiB"},
		{Figure(engine.Figure{Name: "topics", Value: 6}), "6 topics"},
		{Figure(engine.Figure{Name: "latency", Value: 0.0124, Unit: "s"}), "latency 12ms"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}
