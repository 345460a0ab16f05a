// Package cache keeps what the testbed fetches or builds in the user's cache
// folder, so that it happens once on a machine: the jars of a broker, a Python
// environment, the programs of a control plane.
package cache

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

// stamp is written last: a folder without it is half made.
const stamp = "complete"

// Entry is one folder of the cache.
type Entry struct {
	Name string   // begins the folder's name
	Of   [][]byte // what it is made from; the folder's name ends with its hash
	// Fill makes the folder's content. It runs where the folder will stay, and
	// again from an empty folder where it failed or was killed.
	Fill func(ctx context.Context, dir string) error
}

// Dir returns the folder, filled. Any number of processes may ask for it at
// once: one fills it, the others wait for that one.
func (e Entry) Dir(ctx context.Context) (string, error) {
	root, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	for _, part := range e.Of {
		_, _ = sum.Write(part) // a hash takes everything
	}
	dir := filepath.Join(root, "gmctl", "testbed", e.Name+"-"+hex.EncodeToString(sum.Sum(nil)[:6]))
	if complete(dir) {
		return dir, nil
	}
	return dir, e.fill(ctx, dir)
}

func complete(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, stamp))
	return err == nil
}

func (e Entry) fill(ctx context.Context, dir string) (err error) {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	lock := flock.New(dir + ".lock")
	if _, err := lock.TryLockContext(ctx, 200*time.Millisecond); err != nil {
		return fmt.Errorf("wait for the process that makes %s: %w", dir, err)
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	if complete(dir) {
		return nil
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	if err := e.Fill(ctx, dir); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, stamp), nil, 0o644)
}
