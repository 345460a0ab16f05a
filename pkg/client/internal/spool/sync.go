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
		if l.synced >= upTo || l.file == nil {
			l.mu.Unlock()
			return nil
		}
		file, end := l.file, l.end
		l.mu.Unlock()
		err := file.Sync()
		if errors.Is(err, os.ErrClosed) {
			continue // it was sealed meanwhile, which syncs it
		}
		if err != nil {
			return err
		}
		l.mu.Lock()
		l.synced = max(l.synced, end)
		l.mu.Unlock()
		return nil
	}
}

// syncInTurn syncs once per interval. What it could not sync, it tries again.
func (l *Log) syncInTurn() {
	ticker := time.NewTicker(l.options.Interval)
	defer ticker.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-ticker.C:
			_ = l.sync(l.End())
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
