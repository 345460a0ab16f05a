//go:build unix

package disk

import (
	"testing"

	"github.com/gamemetrics/gmctl/internal/testenv"
)

// Run makes a file system of the given size for the test, which is removed after
// it. What was started on it later is cleaned up before.
func Run(t testing.TB, mebibytes int64) *Disk {
	t.Helper()
	d, err := New(mebibytes)
	testenv.Require(t, testenv.Disk, err)
	t.Cleanup(func() {
		if err := d.Remove(); err != nil {
			t.Error(err)
		}
	})
	return d
}
