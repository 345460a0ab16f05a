// Package paths says where gmctl keeps things, after the XDG base directory
// specification.
package paths

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// Dirs are the directories of one environment, absolute.
type Dirs struct {
	State string // journal, lock, logs, the supervisor's record; small
	Data  string // what the user must not lose: databases, Kafka logs
	Cache string // shared by all environments; can be deleted at any time
}

// For returns the directories of the environment env. Its error is a
// *problem.Error.
func For(env string) (Dirs, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return Dirs{}, &problem.Error{
			What: "it is not known where gmctl keeps what belongs to you", Cause: err,
			Next: "set HOME to your home directory", Kind: problem.Usage,
		}
	}
	base := func(variable string, fallback ...string) string {
		if dir := os.Getenv(variable); filepath.IsAbs(dir) {
			return dir
		}
		return filepath.Join(append([]string{home}, fallback...)...)
	}
	return Dirs{
		State: filepath.Join(base("XDG_STATE_HOME", ".local", "state"), "gmctl", env),
		Data:  filepath.Join(base("XDG_DATA_HOME", ".local", "share"), "gmctl", env),
		Cache: filepath.Join(base("XDG_CACHE_HOME", ".cache"), "gmctl"),
	}, nil
}

// Make creates the state and the data directory. The state is closed to others.
// The data directory and the parents that it lacks can be passed through,
// whatever the umask: the user that PostgreSQL runs as for root must reach its
// own directory below.
func (d Dirs) Make() error {
	for _, dir := range []string{d.State, d.Data} {
		if err := makePassable(dir); err != nil {
			return err
		}
	}
	return os.Chmod(d.State, 0o700) //nolint:gosec // a directory
}

// makePassable creates dir and the parents it lacks, each for others to pass
// through but not to list.
func makePassable(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := makePassable(filepath.Dir(dir)); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o711); err != nil {
		if errors.Is(err, fs.ErrExist) { // another process was quicker
			return nil
		}
		return err
	}
	return os.Chmod(dir, 0o711) //nolint:gosec // a directory
}
