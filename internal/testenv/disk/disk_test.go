//go:build unix

package disk_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/gamemetrics/gmctl/internal/testenv/disk"
)

func TestDiskIsFullAndThenNot(t *testing.T) {
	d := disk.Run(t, 16)
	file, content := filepath.Join(d.Path(), "file"), make([]byte, 1<<20)
	if err := d.Fill(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, content, 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("on a full disk a write ends with %v", err)
	}
	if err := d.Free(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Errorf("on a disk with room a write ends with %v", err)
	}
}
