package render

import (
	"strings"

	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/humanize"
)

// Figure prints a key figure as its value and name: "1,204 events stored",
// "lag 0 events".
func Figure(f engine.Figure) string {
	approx := ""
	if f.Approx {
		approx = "~"
	}
	// "events stored: 1204 events" would say events twice.
	if f.Unit == "" || strings.HasPrefix(f.Name, f.Unit) {
		name := humanize.Noun(f.Value, f.Unit) + strings.TrimPrefix(f.Name, f.Unit)
		return approx + humanize.Quantity(f.Value, "") + " " + name
	}
	return f.Name + " " + approx + humanize.Quantity(f.Value, f.Unit)
}
