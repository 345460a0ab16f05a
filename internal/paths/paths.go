// Package paths says where gmctl keeps things, after the XDG base directory
// specification. Nothing is created here.
package paths

import (
	"os"
	"path/filepath"
)

// Dirs are the directories of one environment, absolute.
type Dirs struct {
	State string // journal, lock, logs, the supervisor's record; small
	Data  string // what the user must not lose: databases, Kafka logs
	Cache string // shared by all environments; can be deleted at any time
}

// For returns the directories of the environment env.
func For(env string) (Dirs, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return Dirs{}, err
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
