package importer

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/gamemetrics/gmctl/pkg/event"
)

// disk is what a kill leaves: the checkpoints and the reject file as they were.
type disk map[string][]byte

func photograph(t *rapid.T, paths ...string) disk {
	d := disk{}
	for _, path := range paths {
		matches, _ := filepath.Glob(path)
		for _, match := range matches {
			data, err := os.ReadFile(match)
			if err != nil {
				t.Fatal(err)
			}
			d[match] = data
		}
	}
	return d
}

func (d disk) restore(t *rapid.T, paths ...string) {
	for _, path := range paths {
		matches, _ := filepath.Glob(path)
		for _, match := range matches {
			if err := os.Remove(match); err != nil {
				t.Fatal(err)
			}
		}
	}
	for path, data := range d {
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// However often an import is killed, wherever: run again until it ends, and
// every good line is stored exactly once, every bad one is in the reject file
// exactly once, in order.
func TestAnImportKilledAnywhereGoesOn(t *testing.T) {
	folder := t.TempDir()
	run := 0
	rapid.Check(t, func(t *rapid.T) {
		run++
		home := filepath.Join(folder, fmt.Sprint(run))
		if err := os.MkdirAll(home, 0o755); err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(home)
		file := drawFile(t, home)
		s := newService()
		checkpoints, rejects := filepath.Join(home, "checkpoints", "*.json"), file.path+".rejects.ndjson"
		opts := Options{
			Path: file.path, Rules: event.DefaultRules(), Target: "t", MaxErrors: -1, Grace: time.Second,
			CheckpointDir: filepath.Dir(checkpoints),
			Connections:   rapid.IntRange(1, 3).Draw(t, "connections"),
			chunkRecords:  rapid.IntRange(1, 5).Draw(t, "records of a chunk"),
			Now:           tick(rapid.IntRange(0, 300).Draw(t, "ms between checkpoints")),
		}
		for range rapid.IntRange(0, 4).Draw(t, "kills") {
			var left disk
			after := rapid.IntRange(1, 8).Draw(t, "kill after so many chunks")
			ctx, cancel := context.WithCancel(t.Context())
			opts.Send = func(_ context.Context, events []event.Event) ([]Outcome, error) {
				return s.send(ctx, events) // what arrives is stored, whether or not the import lives to hear of it
			}
			opts.Progress = func(Progress) {
				if after--; after == 0 {
					left = photograph(t, checkpoints, rejects)
					cancel()
				}
			}
			_, _ = Run(ctx, opts)
			cancel()
			if left != nil {
				left.restore(t, checkpoints, rejects)
			}
		}
		opts.Send, opts.Progress = s.send, nil
		summary, err := Run(t.Context(), opts)
		if err != nil || !summary.Complete {
			t.Fatalf("the last run: %+v, %v", summary, err)
		}
		file.verify(t, s, rejects, summary)
	})
}

// tick is a clock that moves at each look, so that some chunks are followed by
// a checkpoint and some are not.
func tick(ms int) func() time.Time {
	var looks atomic.Int64
	return func() time.Time { return now().Add(time.Duration(int64(ms)*looks.Add(1)) * time.Millisecond) }
}

// drawn is a file with its good and bad lines.
type drawn struct {
	path string
	good []string // player ids, one an event
	bad  []int64  // line numbers
}

func drawFile(t *rapid.T, home string) drawn {
	kind := rapid.SampledFrom([]string{"a.ndjson", "a.csv"}).Draw(t, "kind")
	f := drawn{path: filepath.Join(home, kind)}
	var content strings.Builder
	at := int64(0)
	add := func(text string) {
		content.WriteString(text)
		at += int64(strings.Count(text, "\n"))
	}
	if kind == "a.csv" {
		add("playerId,eventType,timestamp,metadata.note\n")
	}
	for i := range rapid.IntRange(0, 60).Draw(t, "lines") {
		player := fmt.Sprintf("p%03d", i)
		switch shape := rapid.SampledFrom([]string{"good", "good", "good", "bad", "blank", "refused", "multi"}).Draw(t, "line"); {
		case shape == "blank":
			add("\n")
		case shape == "bad":
			f.bad = append(f.bad, at+1)
			add("no \"event\n")
		case kind == "a.csv":
			note := "x"
			if shape == "multi" {
				note = "\"x\ny\""
			}
			if shape == "refused" {
				player = "refused"
				f.bad = append(f.bad, at+1)
			} else {
				f.good = append(f.good, player)
			}
			add(player + ",login,2026-03-01T10:00:00Z," + note + "\n")
		case shape == "refused":
			f.bad = append(f.bad, at+1)
			add(line("refused") + "\n")
		default:
			f.good = append(f.good, player)
			add(line(player) + "\n")
		}
	}
	if err := os.WriteFile(f.path, []byte(content.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f drawn) verify(t *rapid.T, s *service, rejectPath string, summary Summary) {
	var stored []string
	for _, e := range s.order {
		stored = append(stored, e.PlayerID)
	}
	slices.Sort(stored)
	if !slices.Equal(stored, f.good) {
		t.Fatalf("stored %v, want %v", stored, f.good)
	}
	var rejected []int64
	data, _ := os.ReadFile(rejectPath)
	for text := range strings.Lines(string(data)) {
		var number int64
		if _, err := fmt.Sscanf(text, `{"line":%d,`, &number); err != nil {
			t.Fatalf("reject file: %v: %q", err, text)
		}
		rejected = append(rejected, number)
	}
	if !slices.Equal(rejected, f.bad) {
		t.Fatalf("rejected lines %v, want %v", rejected, f.bad)
	}
	if summary.Stored+summary.Duplicates != int64(len(f.good)) || summary.Rejected != int64(len(f.bad)) {
		t.Fatalf("summary %+v", summary)
	}
}
