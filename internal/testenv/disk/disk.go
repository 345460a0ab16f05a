//go:build unix

// Package disk makes small file systems that a test can fill up: real ones, in a
// file. It needs Linux, root and mkfs.ext4.
package disk

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// Disk is a mounted file system.
type Disk struct {
	dir     string // holds all below
	ballast string // the file that fills it
}

// New makes a file system of the given size and mounts it. The caller removes it
// with Remove. The error says what is missing.
func New(mebibytes int64) (*Disk, error) {
	dir, err := os.MkdirTemp("", "gmctl-disk-")
	if err != nil {
		return nil, err
	}
	d := &Disk{dir: dir}
	d.ballast = filepath.Join(d.Path(), "ballast")
	if err := d.mount(mebibytes << 20); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return d, nil
}

func (d *Disk) mount(size int64) error {
	image := filepath.Join(d.dir, "image")
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		return err
	}
	if err := os.Truncate(image, size); err != nil {
		return err
	}
	if err := os.Chmod(d.dir, 0o755); err != nil { // PostgreSQL's user must pass through
		return err
	}
	if err := os.Mkdir(d.Path(), 0o755); err != nil {
		return err
	}
	// -m 0: nothing is kept back for root, who fills it
	if err := run("mkfs.ext4", "-q", "-F", "-m", "0", image); err != nil {
		return err
	}
	return run("mount", "-o", "loop", image, d.Path())
}

func run(name string, args ...string) error {
	if output, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(string(output)))
	}
	return nil
}

// Path is where it is mounted.
func (d *Disk) Path() string { return filepath.Join(d.dir, "mounted") }

// Fill takes all the space that is left.
func (d *Disk) Fill() error {
	file, err := os.OpenFile(d.ballast, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	for chunk := make([]byte, 1<<20); len(chunk) > 0; {
		if _, err := file.Write(chunk); errors.Is(err, syscall.ENOSPC) {
			chunk = chunk[:len(chunk)/2]
		} else if err != nil {
			return err
		}
	}
	if err := file.Sync(); err != nil && !errors.Is(err, syscall.ENOSPC) {
		return err
	}
	return nil
}

// Free gives back what Fill took.
func (d *Disk) Free() error {
	if err := os.Remove(d.ballast); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// Remove unmounts the file system and removes it.
func (d *Disk) Remove() error {
	if err := run("umount", d.Path()); err != nil {
		return err
	}
	return os.RemoveAll(d.dir)
}
