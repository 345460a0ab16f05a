package statusline

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/gamemetrics/gmctl/internal/iostreams"
)

// clock moves on by a second at each look.
func clock() func() time.Time {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	return func() time.Time {
		at = at.Add(time.Second)
		return at
	}
}

func work(t *testing.T, io *iostreams.IOStreams, format string) {
	t.Helper()
	l, err := New(io, format, clock())
	if err != nil {
		t.Fatal(err)
	}
	l.Note("begin")
	for range 25 {
		l.Progress("working", map[string]int{"done": 1})
	}
	l.Warn("slow")
	l.Close()
}

func TestInAPipeProgressIsALineNowAndThen(t *testing.T) {
	io, _, out, status := iostreams.Test()
	work(t, io, "text")
	if got := status.String(); got != "begin\nworking\nworking\n! slow\n" || out.Len() > 0 {
		t.Errorf("%q", got)
	}
}

func TestOnATerminalProgressIsRedrawnAndTakenAway(t *testing.T) {
	io, _, _, status := iostreams.TestTerminal(40, 10, false)
	work(t, io, "text")
	got := status.String()
	if !strings.HasPrefix(got, "begin\n") || !strings.Contains(got, "! slow") || strings.Count(got, "working") < 2 {
		t.Errorf("%q", got)
	}
}

func TestAsJSONEachLineIsAnObject(t *testing.T) {
	io, _, _, status := iostreams.Test()
	work(t, io, "json")
	events := map[string]int{}
	for line := range strings.Lines(status.String()) {
		var r Record
		if err := json.Unmarshal([]byte(line), &r); err != nil || r.APIVersion == "" || r.Message == "" || r.Time.IsZero() {
			t.Fatalf("%v: %s", err, line)
		}
		events[r.Event]++
	}
	if events["note"] != 1 || events["progress"] != 2 || events["warning"] != 1 {
		t.Errorf("%v", events)
	}
}

func TestAnUnknownFormatIsRefused(t *testing.T) {
	io, _, _, _ := iostreams.Test()
	if _, err := New(io, "xml", time.Now); err == nil {
		t.Error("no error")
	}
}
