package render

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/testenv/golden"
)

func TestLines(t *testing.T) {
	for name, script := range scripts {
		t.Run(name, func(t *testing.T) {
			io, _, _, stderr := iostreams.Test()
			c := &clock{}
			l := newLines(io, c.Now)
			script.play(c, l.Handle, l.remind)
			l.Close()
			golden.Check(t, "lines-"+name+".golden", stderr.String())
		})
	}
}

// A stage that is silent for long is mentioned, so that CI does not end the job.
func TestLinesMentionASilentStage(t *testing.T) {
	io, _, _, stderr := iostreams.Test()
	c := &clock{}
	l := newLines(io, c.Now)
	interrupted[:5].play(c, l.Handle, func() {})
	stderr.Reset()
	for range 125 {
		c.now = c.now.Add(time.Second)
		l.remind()
	}
	l.Close()
	got := stderr.String()
	if n := strings.Count(got, "still waiting for port 5432"); n != 4 {
		t.Errorf("mentioned %d times in 125 seconds, want 4:\n%s", n, got)
	}
	if !strings.Contains(got, "[ 2m 00s] postgres    still waiting for port 5432 (2m 00s, usually 1s)") {
		t.Errorf("the last mention does not say how long it has lasted:\n%s", got)
	}
}

func TestJSONLines(t *testing.T) {
	for name, script := range scripts {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			j := newJSONLines(&out)
			script.play(&clock{}, j.Handle, func() {})
			j.Close()
			golden.Check(t, "json-"+name+".golden", out.String())
		})
	}
}

// display plays script on a terminal, a frame after each event, and returns the
// frames and what stays.
func display(t *testing.T, script script, columns, rows int) (term *terminal, frames []string) {
	t.Helper()
	io, _, _, _ := iostreams.TestTerminal(columns, rows, true)
	term = newTerminal(t, columns, rows)
	io.Err = term
	_, _ = term.Write([]byte("$ gmctl up\r\n"))
	c := &clock{}
	l := newLive(io, c.Now)
	script.play(c, l.Handle, func() {
		l.frame()
		frames = append(frames, term.String())
		if term.cursorOff {
			t.Error("the cursor is off after a frame")
		}
	})
	l.Close()
	if term.wrapped > 0 {
		t.Errorf("%d lines were wider than the terminal", term.wrapped)
	}
	return term, frames
}

func TestLiveEndsWith(t *testing.T) {
	for name, script := range scripts {
		t.Run(name, func(t *testing.T) {
			term, _ := display(t, script, 100, 30)
			golden.Check(t, "live-"+name+".golden", term.all())
		})
	}
}

// The frames in the middle of a run, at several sizes of the terminal.
func TestLiveFrames(t *testing.T) {
	for _, size := range []struct {
		name          string
		columns, rows int
	}{
		{"wide", 100, 30},
		{"narrow", 34, 30},
		{"low", 80, 6},
		{"tiny", 12, 3},
	} {
		t.Run(size.name, func(t *testing.T) {
			_, frames := display(t, good, size.columns, size.rows)
			golden.Check(t, "frames-"+size.name+".golden", strings.Join(frames, "--\n"))
		})
	}
}

// However low the terminal was, the whole tree stands in its history at the end,
// and nothing else does.
func TestLiveLeavesTheWholeTreeOnce(t *testing.T) {
	for rows := 2; rows < 14; rows++ {
		term, _ := display(t, good, 80, rows)
		all := term.all()
		for _, stage := range stages {
			if n := strings.Count(all, " "+stage+" "); n != 1 {
				t.Errorf("%d rows: %s stands %d times, want once:\n%s", rows, stage, n, all)
			}
		}
	}
}

// What stood on the terminal before stays, whatever size it is changed to.
func TestLiveSurvivesResizing(t *testing.T) {
	sizes := [][2]int{{80, 24}, {40, 24}, {31, 24}, {90, 24}, {60, 20}, {100, 30}}
	columns, rows := sizes[0][0], sizes[0][1]
	io, _, _, _ := iostreams.TestTerminal(columns, rows, true)
	term := newTerminal(t, columns, rows)
	term.history = nil
	_, _ = term.Write([]byte("before\r\n"))
	c := &clock{}
	l := newLive(io, c.Now)
	size := func() (int, int) { return columns, rows }
	l.size, l.screen = size, NewScreen(term, size)
	step := 0
	good.play(c, l.Handle, func() {
		if step++; step%3 == 0 {
			columns, rows = sizes[(step/3)%len(sizes)][0], sizes[(step/3)%len(sizes)][1]
			term.resize(columns, rows)
		}
		l.frame()
	})
	l.Close()
	all := term.all()
	for _, text := range append([]string{"before", "Bringing up"}, stages...) {
		if n := strings.Count(strings.ReplaceAll(all, "6 topics", ""), text); n != 1 {
			t.Errorf("%q stands %d times, want once:\n%s", text, n, all)
		}
	}
}

// A frame that shows nothing new is not written.
func TestLiveWritesOnlyWhatChanged(t *testing.T) {
	io, _, _, _ := iostreams.TestTerminal(80, 24, true)
	term := newTerminal(t, 80, 24)
	io.Err = term
	c := &clock{}
	l := newLive(io, c.Now)
	good[:5].play(c, l.Handle, func() {})
	l.frame()
	l.frame()
	if term.frames != 1 {
		t.Errorf("two frames of one moment were written %d times", term.frames)
	}
}

// Events may come from the engine while frames are drawn, and Close may be
// called twice, or before any event.
func TestProgressIsOwnedAndClosed(t *testing.T) {
	t.Setenv("TERM", "xterm")
	for _, format := range []string{LogText, LogJSON} {
		for _, terminal := range []bool{true, false} {
			io, _, _, _ := iostreams.Test()
			io.ErrTTY = terminal
			p, err := NewProgress(io, format)
			if err != nil {
				t.Fatal(err)
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				good.play(&clock{}, p.Handle, func() { time.Sleep(5 * time.Millisecond) })
			}()
			<-done
			p.Close()
			p.Close()

			idle, err := NewProgress(io, format)
			if err != nil {
				t.Fatal(err)
			}
			idle.Close()
		}
	}
}

func TestProgressOfAnUnknownFormat(t *testing.T) {
	io, _, _, _ := iostreams.Test()
	if _, err := NewProgress(io, "xml"); err == nil {
		t.Error("xml was taken for a log format")
	}
}

// A stage cannot move the cursor by what it reports.
func TestLiveIsSafeFromMessages(t *testing.T) {
	hostile := script{
		{0, engine.Event{Kind: engine.RunStarted, Stages: []string{"a"}}},
		{1, engine.Event{Kind: engine.StageStarted, Stage: "a"}},
		{2, says("a", engine.Update{Kind: engine.UpdateProgress, Message: "line one\nline two\r\x1b[2Jgone\tend"})},
	}
	_, frames := display(t, hostile, 80, 10)
	if last := frames[len(frames)-1]; !strings.Contains(last, "line one line two [2Jgone end") {
		t.Errorf("the message is not on one line:\n%s", last)
	}
}
