package spool

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// model is what a spool should hold: the records, and how far they are read and
// settled.
type model struct {
	options Options
	log     *Log
	records []string // that were taken
	ends    []uint64 // where each ends
	read    int      // how many Next has returned since Open
	settled int      // how many are settled
}

// Whatever is appended, read, settled, closed and killed in whatever order: each
// record that was taken and not settled is returned, in order, and its bytes are
// as they were.
func TestSpoolKeepsWhatItTook(t *testing.T) {
	home := t.TempDir()
	run := 0
	rapid.Check(t, func(t *rapid.T) {
		run++
		m := &model{options: Options{
			Dir: filepath.Join(home, fmt.Sprint(run)), MaxBytes: rapid.Int64Range(200, 5000).Draw(t, "max"), SegmentBytes: rapid.Int64Range(1, 600).Draw(t, "segment"),
			Sync: rapid.SampledFrom([]Sync{SyncInterval, SyncNever, SyncAlways}).Draw(t, "sync"),
		}}
		m.open(t)
		defer func() { m.log.Close(); os.RemoveAll(m.options.Dir) }()
		t.Repeat(map[string]func(*rapid.T){
			"append": m.append, "next": m.next, "settle": m.settle, "close": m.close, "kill": m.kill,
			"": func(t *rapid.T) {
				if size := m.log.Size(); size > m.options.MaxBytes {
					t.Fatalf("the spool has %d bytes, of %d", size, m.options.MaxBytes)
				}
			},
		})
		for m.read < len(m.records) {
			m.next(t)
		}
	})
}

func (m *model) open(t *rapid.T) {
	log, err := Open(m.options)
	if err != nil {
		t.Fatal(err)
	}
	m.log, m.read = log, m.settled
}

func (m *model) append(t *rapid.T) {
	data := strings.Repeat("x", rapid.IntRange(0, 150).Draw(t, "bytes")) + fmt.Sprint(len(m.records))
	end, err := m.log.Append([]byte(data))
	if errors.Is(err, ErrFull) && m.settled < len(m.records) {
		return
	}
	if err != nil {
		t.Fatalf("with %d of %d records settled: %v", m.settled, len(m.records), err)
	}
	m.records, m.ends = append(m.records, data), append(m.ends, end)
}

func (m *model) next(t *rapid.T) {
	if m.read == len(m.records) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if r, err := m.log.Next(ctx); !errors.Is(err, context.Canceled) {
			t.Fatalf("a record that nobody appended: %q, %v", r.Data, err)
		}
		return
	}
	r, err := m.log.Next(t.Context())
	if err != nil || string(r.Data) != m.records[m.read] || r.End != m.ends[m.read] || r.Lost != 0 {
		t.Fatalf("record %d: %q to %d (lost %d), want %q to %d; %v", m.read, r.Data, r.End, r.Lost, m.records[m.read], m.ends[m.read], err)
	}
	m.read++
}

func (m *model) settle(t *rapid.T) {
	m.settled = rapid.IntRange(m.settled, m.read).Draw(t, "settled")
	if m.settled > 0 {
		if err := m.log.Settle(m.ends[m.settled-1]); err != nil {
			t.Fatal(err)
		}
	}
}

func (m *model) close(t *rapid.T) {
	if err := m.log.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := m.log.Append(nil); !errors.Is(err, ErrClosed) {
		t.Fatalf("after Close: %v", err)
	}
	m.open(t)
}

// kill opens what a kill in the middle of an append leaves on the disk.
func (m *model) kill(t *rapid.T) {
	before := m.options.Dir
	m.options.Dir += "k"
	if err := os.CopyFS(m.options.Dir, os.DirFS(before)); err != nil {
		t.Fatal(err)
	}
	m.log.Close()
	os.RemoveAll(before)
	torn := int64(0)
	if segments, _ := segmentsOf(m.options.Dir); len(segments) > 0 {
		last := segments[len(segments)-1]
		half := appendRecord(nil, last.end, []byte("half a record"))
		half = half[:rapid.IntRange(0, len(half)-1).Draw(t, "torn at")]
		appendTo(t, last.path, half)
		torn = int64(len(half))
	}
	m.open(t)
	if m.log.Cut() != torn {
		t.Fatalf("cut off %d bytes of %d", m.log.Cut(), torn)
	}
}

func appendTo(t rapid.TB, path string, data []byte) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.Write(data); err != nil {
		t.Fatal(err)
	}
}
