package postgres

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// Snapshot copies the server's data, as a snapshot of its volume does. The function that it
// returns sets the data back to that; the server must not run then. It is restarted
// before, and its data are copied meanwhile.
func (s *Server) Snapshot(t testing.TB) (setBack func()) {
	t.Helper()
	s.Stop(t)
	dir, err := makeDir("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := copyAll(s.dir, dir); err != nil {
		t.Fatal(err)
	}
	s.Restart(t)
	return func() {
		t.Helper()
		if err := os.RemoveAll(s.DataDir()); err != nil {
			t.Fatal(err)
		}
		if err := copyAll(dir, s.dir); err != nil {
			t.Fatal(err)
		}
	}
}

// copyAll copies what a directory has; owners and modes, too: root's server runs as
// another user.
func copyAll(from, to string) error {
	if out, err := exec.Command("cp", "-a", from+"/.", to).CombinedOutput(); err != nil {
		return fmt.Errorf("the server's directory cannot be copied: %w: %s", err, out)
	}
	return nil
}
