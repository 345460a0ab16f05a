package importer

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// checkpointVersion is the version of the file's schema.
const checkpointVersion = 1

// checkpoint says how far an import has come: the fate of every line before
// Position is settled, stored by the service or written to the reject file.
type checkpoint struct {
	Version    int       `json:"version"`
	Path       string    `json:"path"`
	Target     string    `json:"target"`
	Position   position  `json:"position"`
	Counts     Counts    `json:"counts"`
	RejectPath string    `json:"rejectPath"`
	RejectSize int64     `json:"rejectSize"` // of the reject file, in bytes; what is behind it is of lines not settled
	Complete   bool      `json:"complete"`
	UpdatedAt  time.Time `json:"updatedAt"`
}

// checkpointFile keeps the checkpoint of one file for one target. It is
// replaced as a whole, so a kill leaves the one before or the one after. A nil
// one keeps nothing.
type checkpointFile struct {
	path string
	lock *flock.Flock
}

// openCheckpoint opens the checkpoint in folder for the source, and holds it
// until closed so that no two imports of one file run at once.
func openCheckpoint(folder, identity string) (*checkpointFile, error) {
	if folder == "" || identity == "" {
		return nil, nil
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, checkpointProblem(folder, err)
	}
	path := filepath.Join(folder, identity+".json")
	lock := flock.New(filepath.Join(folder, identity+".lock"))
	held, err := lock.TryLock()
	if err != nil {
		return nil, checkpointProblem(path, err)
	}
	if !held {
		return nil, &problem.Error{What: "another gmctl imports this file at this moment", Next: "wait for it to end, or stop it and run this again", Kind: problem.Locked}
	}
	return &checkpointFile{path: path, lock: lock}, nil
}

func checkpointProblem(path string, cause error) error {
	return &problem.Error{
		What: "the checkpoint of the import cannot be kept at " + path, Cause: withoutPath(cause),
		Next: "make room or make it writable, and run the same command again: it goes on where the last checkpoint was, and nothing is stored twice",
	}
}

// load returns the checkpoint, or a fresh one where there is none.
func (f *checkpointFile) load() (checkpoint, error) {
	fresh := checkpoint{Version: checkpointVersion}
	if f == nil {
		return fresh, nil
	}
	data, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return fresh, nil
	}
	if err != nil {
		return fresh, checkpointProblem(f.path, err)
	}
	var saved checkpoint
	if err := json.Unmarshal(data, &saved); err != nil || saved.Version != checkpointVersion {
		if err == nil {
			err = fmt.Errorf("its version is %d, this gmctl knows %d", saved.Version, checkpointVersion)
		}
		return fresh, &problem.Error{
			What: "the checkpoint " + f.path + " cannot be read", Cause: err,
			Next: "begin again with --restart: lines that are stored already are not stored twice",
		}
	}
	return saved, nil
}

// save replaces the checkpoint, durably.
func (f *checkpointFile) save(c checkpoint) error {
	if f == nil {
		return nil
	}
	data, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return checkpointProblem(f.path, err)
	}
	if err := replaceFile(f.path, append(data, '\n')); err != nil {
		return checkpointProblem(f.path, err)
	}
	return nil
}

func replaceFile(path string, data []byte) error {
	next, err := os.OpenFile(path+".next", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = next.Write(data)
	if err == nil {
		err = next.Sync()
	}
	if closeErr := next.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	return os.Rename(path+".next", path)
}

func (f *checkpointFile) close() error {
	if f == nil {
		return nil
	}
	return f.lock.Close()
}
