package server

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// makeParents makes the missing parents of path, open for others to pass
// through: the data directory below them is closed, and may be another user's.
func makeParents(path string) error {
	parent := filepath.Dir(path)
	if info, err := os.Stat(parent); err == nil {
		if !info.IsDir() {
			return &fs.PathError{Op: "mkdir", Path: parent, Err: errors.New("is not a directory")}
		}
		return nil
	}
	if parent == path {
		return nil
	}
	if err := makeParents(parent); err != nil {
		return err
	}
	err := os.Mkdir(parent, 0o755)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return os.Chmod(parent, 0o755) //nolint:gosec // a directory, to pass through whatever the umask
}

// RemoveData removes the data directory, what killed starts left beside it,
// and the parents that DataDirFor chose. The server must be stopped.
func RemoveData(ctx context.Context, dataDir string) error {
	if left := processesIn(dataDir); len(left) > 0 {
		return problemOf("the data directory "+dataDir+" is in use", errors.New("PostgreSQL is still running in it"))
	}
	if err := (cluster{dir: dataDir}).removeStages(ctx); err != nil {
		return err
	}
	if err := os.RemoveAll(dataDir); err != nil {
		return problemOf("the data directory "+dataDir+" cannot be removed", err)
	}
	parent := filepath.Dir(dataDir)
	if rootDataBase != "" && filepath.Dir(parent) == rootDataBase {
		// Either may still hold something of another environment.
		_ = os.Remove(parent)
		_ = os.Remove(rootDataBase)
	}
	return nil
}

// HalfMade lists what starts that were killed left beside the data directory.
// The next Start removes it.
func HalfMade(dataDir string) []string {
	left, err := filepath.Glob(filepath.Join(filepath.Dir(dataDir), cluster{dir: dataDir}.stagePattern()))
	if err != nil {
		return nil // only the pattern can be wrong
	}
	return left
}

// AccountFor names the user that PostgreSQL runs as over the data directory:
// for root another one; empty for who runs gmctl.
func AccountFor(dataDir string) (string, error) {
	account, err := accountFor(dataDir)
	if err != nil || !account.other {
		return "", err
	}
	return account.name, nil
}
