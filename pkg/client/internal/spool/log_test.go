package spool

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

func open(t testing.TB, options Options) *Log {
	t.Helper()
	log, err := Open(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close() })
	return log
}

func TestOneProcessAtATime(t *testing.T) {
	options := Options{Dir: filepath.Join(t.TempDir(), "a", "b")}
	first := open(t, options)
	if _, err := Open(options); !errors.Is(err, ErrLocked) {
		t.Errorf("a second opener was told %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, options)
}

// Those that wait for Next, and those that append at once with an fsync each.
func TestAppendersAndTheReaderAtOnce(t *testing.T) {
	for _, sync := range []Sync{SyncAlways, SyncInterval} {
		log := open(t, Options{Dir: t.TempDir(), SegmentBytes: 2000, Sync: sync, Interval: time.Millisecond})
		appendAndRead(t, log)
	}
}

func appendAndRead(t *testing.T, log *Log) {
	t.Helper()
	const appenders, each = 8, 100
	var running sync.WaitGroup
	for a := range appenders {
		running.Go(func() {
			for i := range each {
				if _, err := log.Append(fmt.Appendf(nil, "%d %d", a, i)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	next := [appenders]int{}
	for range appenders * each {
		r, err := log.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var a, i int
		if _, err := fmt.Sscanf(string(r.Data), "%d %d", &a, &i); err != nil || next[a] != i {
			t.Fatalf("read %q, want the %d-th of appender %d", r.Data, next[a], a)
		}
		next[a]++
		if err := log.Settle(r.End); err != nil {
			t.Fatal(err)
		}
	}
	running.Wait()
	if size := log.Size(); size > 2000 {
		t.Errorf("all is settled, and %d bytes are kept", size)
	}
}

func TestARecordLargerThanTheSpool(t *testing.T) {
	log := open(t, Options{Dir: t.TempDir(), MaxBytes: 1000})
	if _, err := log.Append(make([]byte, 1000)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("told %v", err)
	}
	if _, err := log.Append(make([]byte, 1000-headerBytes)); err != nil {
		t.Errorf("one that just fits: %v", err)
	}
}

// A record that the disk has spoiled costs what is behind it in its segment; the
// next segments are read.
func TestADamagedRecord(t *testing.T) {
	options := Options{Dir: t.TempDir(), MaxBytes: 4000, SegmentBytes: 100}
	log := open(t, options)
	for i := range 10 {
		if _, err := log.Append(bytes.Repeat([]byte{byte('0' + i)}, 40)); err != nil {
			t.Fatal(err)
		}
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	segments, err := segmentsOf(options.Dir)
	if err != nil || len(segments) != 5 {
		t.Fatalf("%d segments, %v", len(segments), err)
	}
	spoil(t, segments[0].path, 60) // the record 1
	spoil(t, segments[2].path, 10) // 4, and with it 5
	if err := os.Remove(segments[3].path); err != nil {
		t.Fatal(err) // 6 and 7
	}
	log = open(t, options)
	got, lost := "", int64(0)
	for {
		r, err := log.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if r.Data != nil {
			got += string(r.Data[:1])
		}
		lost += r.Lost
		if r.End == log.End() {
			break
		}
	}
	if got != "02389" || lost != 5*48 {
		t.Errorf("read %s and lost %d bytes", got, lost)
	}
}

// failSync runs what syncs the log, with a file of which an fsync fails: a pipe. Then the
// disk is well again.
func failSync(t *testing.T, log *Log, sync func() error) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	healthy := swap(log, w)
	t.Cleanup(func() { healthy.Close() })
	if err := sync(); err == nil {
		t.Fatal("an fsync of a pipe succeeded")
	}
	if file := swap(log, nil); file == w {
		swap(log, healthy)
	}
}

func swap(log *Log, file *os.File) (before *os.File) {
	log.mu.Lock()
	defer log.mu.Unlock()
	before, log.file = log.file, file
	return before
}

// An fsync fails: what it should have written never counts as synced, though the next
// one succeeds. It is returned all the same, and what comes after it is not in doubt.
func TestAFailedSync(t *testing.T) {
	for name, sync := range map[string]func(log *Log, end uint64) error{
		"of an append": (*Log).sync, "of a full segment": func(log *Log, _ uint64) error { return log.seal() },
	} {
		t.Run(name, func(t *testing.T) {
			log := open(t, Options{Dir: t.TempDir(), Sync: SyncAlways})
			if _, err := log.Append([]byte("0")); err != nil || log.Doubt() != nil {
				t.Fatal(err, log.Doubt())
			}
			end, err := log.write([]byte("1"))
			if err != nil {
				t.Fatal(err)
			}
			failSync(t, log, func() error { return sync(log, end) })
			if log.sync(end) == nil {
				t.Error("it counts as synced")
			}
			if _, err := log.Append([]byte("2")); err != nil || len(log.segments) != 2 {
				t.Errorf("the next one: %v; %v", err, log.segments)
			}
			if log.sync(end) == nil || log.Doubt() == nil {
				t.Error("with the next one it counts as synced")
			}
			for i := range 3 {
				if r, err := log.Next(t.Context()); err != nil || string(r.Data) != fmt.Sprint(i) {
					t.Errorf("record %d: %+v, %v", i, r, err)
				}
			}
			if err := log.Settle(end); err != nil || log.Doubt() != nil {
				t.Errorf("when it is settled: %v, %v", err, log.Doubt())
			}
		})
	}
}

// With an fsync in turn nobody waits for it: the doubt is told, until what it is of is
// settled.
func TestAFailedSyncInTurn(t *testing.T) {
	told, again := make(chan error), make(chan struct{})
	log := open(t, Options{Dir: t.TempDir(), Interval: time.Millisecond, Synced: func(doubt error) {
		select {
		case told <- doubt:
			<-again
		case <-t.Context().Done():
		}
	}})
	defer close(again)
	turn := func() error {
		again <- struct{}{}
		return <-told
	}
	if doubt := <-told; doubt != nil {
		t.Fatal(doubt)
	}
	if _, err := log.Append([]byte("0")); err != nil {
		t.Fatal(err)
	}
	failSync(t, log, turn)
	end, err := log.Append([]byte("1"))
	if err != nil {
		t.Fatal(err)
	}
	if turn() == nil {
		t.Error("the next fsync ends the doubt")
	}
	if err := log.Settle(end); err != nil || turn() != nil {
		t.Errorf("all is settled, and still in doubt: %v", err)
	}
}

// A segment that cannot be opened or read for a while costs no record.
func TestASegmentThatCannotBeRead(t *testing.T) {
	for name, block := range map[string]func(path string) error{
		"opened": func(path string) error { return os.Symlink(filepath.Base(path), path) }, // to itself
		"read":   func(path string) error { return os.Mkdir(path, 0o700) },
	} {
		t.Run(name, func(t *testing.T) {
			log := open(t, Options{Dir: t.TempDir()})
			for i := range 3 {
				if _, err := log.Append([]byte{byte('0' + i)}); err != nil {
					t.Fatal(err)
				}
			}
			path := log.segments[0].path
			if err := errors.Join(os.Rename(path, path+".away"), block(path)); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if r, err := log.Next(t.Context()); err == nil || r.Lost != 0 {
					t.Fatalf("read %+v, %v", r, err)
				}
			}
			if err := errors.Join(os.Remove(path), os.Rename(path+".away", path)); err != nil {
				t.Fatal(err)
			}
			for i := range 3 {
				if r, err := log.Next(t.Context()); err != nil || string(r.Data) != fmt.Sprint(i) {
					t.Errorf("record %d: %+v, %v", i, r, err)
				}
			}
		})
	}
}

// A cursor that cannot be read costs no record.
func TestADamagedCursor(t *testing.T) {
	options := Options{Dir: t.TempDir()}
	log := open(t, options)
	end, err := log.Append([]byte("one"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := log.Append([]byte("two")); err != nil {
		t.Fatal(err)
	}
	if err := log.Settle(end); err != nil {
		t.Fatal(err)
	}
	log.Close()
	read := func() string {
		log := open(t, options)
		defer log.Close()
		r, err := log.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return string(r.Data)
	}
	if got := read(); got != "two" {
		t.Errorf("after one is settled: %q", got)
	}
	spoil(t, filepath.Join(options.Dir, "settled"), 3)
	if got := read(); got != "one" {
		t.Errorf("with a damaged cursor: %q", got)
	}
}

// The machine lost the records that the cursor counts: new ones get no position
// that counts as settled.
func TestACursorAheadOfTheRecords(t *testing.T) {
	options := Options{Dir: t.TempDir()}
	log := open(t, options)
	end, err := log.Append(make([]byte, 1000))
	if err != nil {
		t.Fatal(err)
	}
	if err := log.Settle(end); err != nil {
		t.Fatal(err)
	}
	log.Close()
	if left, _ := segmentsOf(options.Dir); len(left) != 0 {
		t.Fatalf("left: %v", left)
	}
	log = open(t, options)
	if _, err := log.Append([]byte("new")); err != nil {
		t.Fatal(err)
	}
	log.Close()
	log = open(t, options)
	if r, err := log.Next(t.Context()); err != nil || string(r.Data) != "new" {
		t.Errorf("read %q, %v", r.Data, err)
	}
}

func spoil(t *testing.T, path string, at int) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[at] ^= 0xff
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func BenchmarkAppend(b *testing.B) {
	for name, sync := range map[string]Sync{"never": SyncNever, "interval": SyncInterval, "always": SyncAlways} {
		b.Run(name, func(b *testing.B) {
			log := open(b, Options{Dir: b.TempDir(), MaxBytes: 100 << 30, Sync: sync})
			data := make([]byte, 300)
			b.SetBytes(300)
			b.SetParallelism(16)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := log.Append(data); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
