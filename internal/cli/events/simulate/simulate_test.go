package simulate

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gamemetrics/gmctl/internal/cli/events/service"
	"github.com/gamemetrics/gmctl/internal/cli/exitcode"
	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/render"
	"github.com/gamemetrics/gmctl/internal/simulate/drive"
	"github.com/gamemetrics/gmctl/pkg/event"
)

func options(io *iostreams.IOStreams, send drive.Send) *Options {
	return &Options{
		IO: io, Now: time.Now, Service: func(context.Context) (service.Endpoint, error) { return service.Endpoint{URL: "http://service"}, nil },
		Sender:  func(service.Endpoint, int, func()) (drive.Send, error) { return send, nil },
		Players: 10, Seed: 7, Rate: 1000, Count: 100, Connections: 2, Batch: 1, Output: render.Table,
	}
}

func TestLostEventsAreAnErrorThatNamesTheReason(t *testing.T) {
	var n atomic.Int64
	io, _, out, _ := iostreams.Test()
	err := run(t.Context(), options(io, func(context.Context, []event.Event) ([]string, error) {
		switch n.Add(1) % 10 {
		case 0:
			return nil, errors.New("connection refused")
		case 1:
			return []string{"timestamp is too old"}, nil
		case 2:
			return []string{"timestamp is too old"}, nil
		}
		return nil, nil
	}))
	p := problem.From(err)
	if exitcode.Of(err) != exitcode.Failed || p.What != "30 of 100 events were not stored" || p.Cause.Error() != "timestamp is too old" || p.Next == "" {
		t.Errorf("%+v", p)
	}
	for _, line := range []string{"stored    70\n", "rejected  20\n", "failed    10\n", "20 × timestamp is too old\n", "10 × connection refused\n"} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("the report has no %q:\n%s", line, out)
		}
	}
}

func TestCtrlCEndsWithAReport(t *testing.T) {
	for name, test := range map[string]struct {
		count int64
		code  int
	}{
		"of a run without an end is its regular end": {0, exitcode.OK},
		"of a run with an end cuts it short":         {1_000_000, exitcode.Cancelled},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(300*time.Millisecond, cancel)
			io, _, out, _ := iostreams.Test()
			opts := options(io, func(context.Context, []event.Event) ([]string, error) { return nil, nil })
			opts.Count, opts.Output = test.count, render.JSON
			err := run(ctx, opts)
			var document struct{ Data Report }
			if jsonErr := json.Unmarshal(out.Bytes(), &document); jsonErr != nil {
				t.Fatalf("%v: %s", jsonErr, out)
			}
			if exitcode.Of(err) != test.code || document.Data.Stored == 0 || document.Data.Seed != 7 {
				t.Errorf("%v, %+v", err, document.Data)
			}
		})
	}
}

func TestTooSlowAServiceIsToldOnStderr(t *testing.T) {
	io, _, _, status := iostreams.Test()
	opts := options(io, func(context.Context, []event.Event) ([]string, error) {
		time.Sleep(50 * time.Millisecond)
		return nil, nil
	})
	opts.Count, opts.Duration = 0, 1500*time.Millisecond
	if err := run(t.Context(), opts); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(status.String(), "of 1,000 events/s achieved") {
		t.Errorf("%s", status)
	}
}

// A history is stamped with the players' own clock and lies in the past.
func TestAHistoryEndsNow(t *testing.T) {
	io, _, out, _ := iostreams.Test()
	opts := options(io, nil)
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	opts.Now = func() time.Time { return now }
	opts.DryRun, opts.Count, opts.History, opts.Players = true, 0, 24*time.Hour, 50
	if err := run(t.Context(), opts); err != nil {
		t.Fatal(err)
	}
	decoder := event.NewDecoder(event.DefaultRules())
	last, n := now.Add(-24*time.Hour), 0
	for line := range strings.Lines(out.String()) {
		e, err := decoder.Decode([]byte(line), now)
		if err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if e.Timestamp.Before(last) || e.Timestamp.After(now) {
			t.Fatalf("an event at %v after one at %v", e.Timestamp, last)
		}
		last, n = e.Timestamp, n+1
	}
	if n < 100 || now.Sub(last) > time.Hour {
		t.Errorf("%d events, the last at %v", n, last)
	}
}
