package server

import (
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// writeBackEach is how often the pages of a file are written. The files have their
	// turns in it: commits wait while the disk is busy with one, a millisecond or two.
	writeBackEach = 400 * time.Millisecond
	// growingEach is how often it is looked for files that are written to.
	growingEach = 2 * time.Second
)

// writeBack has the kernel write to disk, little by little until done is closed, what
// PostgreSQL adds to the tables of its data directory. PostgreSQL makes a table longer
// with write calls, and leaves these pages to the kernel, which by default writes them
// back when they are 30 seconds old: all at once, hundreds of megabytes of a busy
// server, and no commit gets to the disk for a third of a second meanwhile.
// PostgreSQL's *_flush_after settings do the same for its other writes. What
// vm.dirty_background_bytes would do for the whole machine is not ours to set.
func writeBack(dataDir string, done <-chan struct{}) {
	var growing []string
	var looked time.Time
	wait := time.NewTimer(writeBackEach)
	defer wait.Stop()
	for next := 0; ; next++ {
		select {
		case <-done:
			return
		case now := <-wait.C:
			if now.Sub(looked) >= growingEach {
				growing, looked = filesWritten(dataDir, now.Add(-2*growingEach)), now
			}
		}
		if len(growing) > 0 {
			writeBackFile(growing[next%len(growing)])
		}
		wait.Reset(writeBackEach / time.Duration(max(1, len(growing))))
	}
}

// filesWritten returns the files of all databases that were written to after since.
func filesWritten(dataDir string, since time.Time) (written []string) {
	base := os.DirFS(filepath.Join(dataDir, "base"))
	files, _ := fs.Glob(base, "*/*") // fails for a malformed pattern only
	for _, name := range files {
		if info, err := fs.Stat(base, name); err == nil && info.ModTime().After(since) {
			written = append(written, filepath.Join(dataDir, "base", name))
		}
	}
	return written
}

// writeBackFile begins to write a file's pages, as PostgreSQL does itself: it waits for
// nothing, and takes no error away from PostgreSQL's own fsync.
func writeBackFile(name string) {
	file, err := os.Open(name)
	if err != nil {
		return // dropped meanwhile
	}
	defer file.Close()
	_ = unix.SyncFileRange(int(file.Fd()), 0, 0, unix.SYNC_FILE_RANGE_WRITE) // some file systems cannot
}
