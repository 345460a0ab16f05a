package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// Holder tells who holds a lock.
type Holder struct {
	PID     int       `json:"pid"`
	Who     string    `json:"who"`
	Host    string    `json:"host"`
	Command string    `json:"command"` // as it was typed
	Since   time.Time `json:"since"`   // UTC
}

// CurrentHolder describes this process, running command.
func CurrentHolder(command string) Holder {
	who, host := currentUser()
	return Holder{PID: os.Getpid(), Who: who, Host: host, Command: command, Since: time.Now().UTC().Truncate(time.Second)}
}

func currentUser() (name, host string) {
	name = "unknown"
	if current, err := user.Current(); err == nil {
		name = current.Username
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return name, host
}

// Lock makes its holder the only writer of an environment. The operating system
// lets go of it when the process ends, however it ends: what a file says of an
// earlier holder never locks anyone out.
type Lock struct {
	file *flock.Flock
}

// A contender tries for this long, so that a holder that is just going, or has
// not yet written who it is, is waited for.
const (
	lockPatience = 150 * time.Millisecond
	lockRetry    = 10 * time.Millisecond
)

// holderOffset leaves the byte that Windows locks out of what contenders read.
const holderOffset = 1

// AcquireLock takes the lock kept in the file path, for holder. Where another
// process has it, the error is a problem.Locked that names that process.
func AcquireLock(path string, holder Holder) (*Lock, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, unlockable(path, err)
	}
	deadline := time.Now().Add(lockPatience)
	for {
		lock, err := tryLock(path)
		switch {
		case err != nil:
			return nil, unlockable(path, err)
		case lock == nil && time.Now().After(deadline):
			return nil, lockedBy(path)
		case lock == nil:
			time.Sleep(lockRetry)
			continue
		}
		if err := writeHolder(path, &holder); err != nil {
			return nil, errors.Join(unlockable(path, err), lock.Release())
		}
		return lock, nil
	}
}

// tryLock returns nil where another holds the lock.
func tryLock(path string) (*Lock, error) {
	file := flock.New(path, flock.SetFlag(os.O_CREATE|os.O_RDWR), flock.SetPermissions(0o600))
	locked, err := file.TryLock()
	if err != nil {
		return nil, err
	}
	if !locked {
		return nil, file.Close()
	}
	lock := &Lock{file}
	if !lock.named() {
		return nil, file.Close()
	}
	return lock, nil
}

// named reports whether the file that is locked is the one of that name. A
// teardown may have deleted it, and another process locked a new one.
func (l *Lock) named() bool {
	held, err := l.file.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(l.file.Path())
	return err == nil && os.SameFile(held, named)
}

// Release lets go of the lock. It may be called more than once.
func (l *Lock) Release() error {
	if !l.file.Locked() {
		return nil
	}
	if l.named() {
		_ = writeHolder(l.file.Path(), nil) // for people only: the lock itself is what counts
	}
	return l.file.Close()
}

// writeHolder replaces the text that names the holder; nil empties it.
func writeHolder(path string, holder *Holder) (err error) {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if err := file.Truncate(holderOffset); err != nil {
		return err
	}
	if holder == nil {
		return nil
	}
	text, err := json.Marshal(holder)
	if err != nil {
		return err
	}
	_, err = file.WriteAt(append(text, '\n'), holderOffset)
	return err
}

// readHolder returns the text that names the holder; it says nothing about
// whether the lock is held.
func readHolder(path string) (Holder, error) {
	var holder Holder
	file, err := os.Open(path)
	if err != nil {
		return holder, err
	}
	defer func() { _ = file.Close() }() // only read
	text, err := io.ReadAll(io.NewSectionReader(file, holderOffset, 64<<10))
	if err != nil {
		return holder, err
	}
	return holder, json.Unmarshal(text, &holder)
}

func lockedBy(path string) error {
	locked := &problem.Error{What: "another gmctl is working on this environment", Kind: problem.Locked, Next: "wait until it is done"}
	if holder, err := readHolder(path); err == nil {
		locked.What = fmt.Sprintf("%s is working on this environment", holder.Command)
		locked.Cause = fmt.Errorf("process %d of %s on %s has held %s since %s",
			holder.PID, holder.Who, holder.Host, path, holder.Since.Local().Format(time.DateTime))
		locked.Next = fmt.Sprintf("wait until process %d is done", holder.PID)
	}
	return locked
}

func unlockable(path string, err error) error {
	return &problem.Error{What: "the lock " + path + " cannot be used", Cause: err, Next: "make sure that this user can write it, on a file system that supports locks"}
}
