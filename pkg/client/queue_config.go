package client

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/gamemetrics/gmctl/pkg/client/internal/spool"
	"github.com/gamemetrics/gmctl/pkg/eventapi"
)

// QueueConfig is what a Queue is made from. Any zero field means its default.
type QueueConfig struct {
	MaxEvents int           // of a request; 1,000, the most that the service takes
	MaxBytes  int           // of a request's body before compression; 1 MiB, the most that the service takes
	Linger    time.Duration // how long an event waits for others to fill its request, at most; 50 ms
	// InFlight is how many requests are on their way at a time; 4. All events of a
	// player take the same of these ways, one after the other.
	InFlight    int
	Compression Compression // of bodies; Zstd

	// MaxMemory is how many bytes the events take that are held in memory; 32 MiB.
	// Each event counts with the length of its JSON and 200 bytes more; when it is
	// settled, with the 200 bytes until all older ones are settled, too. The bodies of
	// the requests on their way come on top: up to 2 × InFlight × MaxBytes.
	MaxMemory int64
	// WhenFull says what Enqueue does while there is no room: in the memory, or with
	// a spool on the disk.
	WhenFull WhenFull
	// GiveUpAfter is how long a request, or an event that is too many of its player, is
	// tried before it is given up, which OnOutcome is told; 10 minutes. With a Spool events are not given up.
	GiveUpAfter time.Duration

	// Spool keeps the events on disk until they are stored; nil keeps them in memory.
	Spool *Spool

	// OnOutcome is told what became of each event, by several goroutines at once. It
	// should not take long: the events of the same players wait meanwhile.
	OnOutcome func(Outcome)
	// Log is told when events cannot be sent and when they can be again, and which
	// were refused or lost; slog.DiscardHandler.
	Log *slog.Logger
}

// WhenFull is what Enqueue does while there is no room.
type WhenFull int

// The policies.
const (
	Block WhenFull = iota // wait for room until its context ends
	Drop                  // return ErrFull at once; the event is counted, and OnOutcome told
)

// Spool is a folder that holds the events until the service has stored them. What
// Enqueue took is in there before it returns: it outlives the process, and the next
// Queue with the same folder sends it. One Queue at a time can use a folder.
type Spool struct {
	Dir      string
	MaxBytes int64 // of all files; 1 GiB
	// Sync says when the events outlive the machine, too.
	Sync         Sync
	SyncInterval time.Duration // of SyncInterval; 1 s
}

// Sync says when the events of a Spool are made to outlive a crash of the machine.
// Whatever it is, they outlive the process.
type Sync int

// The policies.
const (
	SyncInterval Sync = iota // once per Spool.SyncInterval
	SyncAlways               // before Enqueue returns
	SyncNever                // when the system sees fit
)

// Compression is how the bodies of a Queue's requests are compressed. Small ones
// are not.
type Compression int

// The ways to compress.
const (
	Zstd Compression = iota
	Gzip
	NoCompression
)

func (c QueueConfig) withDefaults() QueueConfig {
	c.MaxEvents = min(orDefault(c.MaxEvents, eventapi.MaxBatch), eventapi.MaxBatch)
	c.MaxBytes = min(orDefault(c.MaxBytes, eventapi.MaxBatchBody), eventapi.MaxBatchBody)
	c.Linger = orDefault(c.Linger, 50*time.Millisecond)
	c.InFlight = orDefault(c.InFlight, 4)
	c.MaxMemory = orDefault(c.MaxMemory, 32<<20)
	c.GiveUpAfter = orDefault(c.GiveUpAfter, 10*time.Minute)
	if c.OnOutcome == nil {
		c.OnOutcome = func(Outcome) {}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// orDefault returns the value, or the default where it is not positive.
func orDefault[N cmp.Ordered](value, standard N) N {
	var zero N
	if value > zero {
		return value
	}
	return standard
}

// open opens the spool; a nil one is none. What is told to log of an fsync that failed
// is of SyncInterval: with SyncAlways Enqueue returns it.
func (s *Spool) open(log *slog.Logger) (*spool.Log, error) {
	if s == nil {
		return nil, nil
	}
	if s.Dir == "" {
		return nil, errors.New("the spool of the queue needs a folder")
	}
	policies := map[Sync]spool.Sync{SyncInterval: spool.SyncInterval, SyncAlways: spool.SyncAlways, SyncNever: spool.SyncNever}
	doubted := false
	synced := func(doubt error) {
		switch {
		case doubt != nil && !doubted:
			log.Warn("events of the spool may be lost if the machine crashes before they are sent", "folder", s.Dir, "error", doubt)
		case doubt == nil && doubted:
			log.Info("the events of the spool outlive a crash of the machine again", "folder", s.Dir)
		}
		doubted = doubt != nil
	}
	opened, err := spool.Open(spool.Options{Dir: s.Dir, MaxBytes: s.MaxBytes, Sync: policies[s.Sync], Interval: s.SyncInterval, Synced: synced})
	if err != nil {
		return nil, fmt.Errorf("the spool %s cannot be opened: %w", s.Dir, err)
	}
	return opened, nil
}
