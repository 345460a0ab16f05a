package spool

import (
	"errors"
	"os"
	"runtime"
	"time"
)

// sync returns when everything before a position outlives the machine.
func (l *Log) sync(upTo uint64) error {
	l.syncing.Lock()
	defer l.syncing.Unlock()
	for {
		l.mu.Lock()
		file, end, err := l.file, l.end, l.doubtOf(upTo)
		done := l.synced >= upTo || file == nil
		l.mu.Unlock()
		if err != nil || done {
			return err
		}
		err = file.Sync()
		if errors.Is(err, os.ErrClosed) {
			continue // it was sealed meanwhile, which syncs it
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		if err != nil {
			l.doubt(err)
			if l.file == file {
				l.file = nil
				_ = file.Close() // what is in it is in doubt already
			}
			return err
		}
		l.synced = max(l.synced, end)
		return l.doubtOf(upTo) // the error of a file is told once: a seal may have had it
	}
}

// doubt notes that an fsync failed: a later one of the same file may succeed and have
// left out what this one should have written. So that file gets no more records, and
// what there is counts as not synced. The caller holds mu.
func (l *Log) doubt(err error) { l.doubted, l.failure = l.end, err }

// doubtOf is why what ends at a position may not outlive the machine though it was
// synced. The caller holds mu.
func (l *Log) doubtOf(end uint64) error {
	if end > l.doubted {
		return nil
	}
	return l.failure
}

// Doubt is why records that are not settled may be lost when the machine crashes,
// though they should have been synced; nil: none is known.
func (l *Log) Doubt() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.doubtOf(l.settled + 1)
}

// syncInTurn syncs once per interval, and tells what became of it.
func (l *Log) syncInTurn() {
	ticker := time.NewTicker(l.options.Interval)
	defer ticker.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-ticker.C:
			_ = l.sync(l.End()) // Doubt has its error
			l.options.Synced(l.Doubt())
		}
	}
}

// syncFolder makes the names in a folder outlive the machine.
func syncFolder(path string) error {
	if runtime.GOOS == "windows" { // it has no such thing
		return nil
	}
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	err = folder.Sync()
	if closeErr := folder.Close(); err == nil {
		err = closeErr
	}
	return err
}
