package spool

import (
	"errors"
	"time"
)

// Sync says when what was appended is made to outlive the machine: an fsync.
// Whatever it is, what was appended outlives the process.
type Sync int

// The policies.
const (
	SyncInterval Sync = iota // once per Options.Interval
	SyncAlways               // before Append returns; those that append at once share one
	SyncNever                // when the system sees fit
)

// Options say where the records are and how much room they may take.
type Options struct {
	Dir          string
	MaxBytes     int64         // of all segments
	SegmentBytes int64         // of one; at most a quarter of MaxBytes
	Sync         Sync          // when to fsync
	Interval     time.Duration // of SyncInterval
	Synced       func(error)   // is told the Doubt after each interval of SyncInterval
}

func (o Options) withDefaults() Options {
	if o.MaxBytes <= 0 {
		o.MaxBytes = 1 << 30
	}
	if o.SegmentBytes <= 0 {
		o.SegmentBytes = 16 << 20
	}
	o.SegmentBytes = max(1, min(o.SegmentBytes, o.MaxBytes/4))
	if o.Interval <= 0 {
		o.Interval = time.Second
	}
	if o.Synced == nil {
		o.Synced = func(error) {}
	}
	return o
}

var (
	// ErrFull says that a record has no room until others are settled.
	ErrFull = errors.New("the spool is full")
	// ErrTooLarge says that a record never has room.
	ErrTooLarge = errors.New("the event is larger than the spool")
	// ErrLocked says that another process uses the folder.
	ErrLocked = errors.New("another process uses it")
	// ErrClosed says that the log was closed.
	ErrClosed = errors.New("the spool is closed")
)
