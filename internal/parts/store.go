package parts

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// Store keeps the files of parts in a folder: PART/VERSION/FILE.
type Store struct {
	Dir    string
	Client *http.Client // nil: one that goes through the proxy of the environment
	// Progress is told of each file that was fetched; nil: no one is.
	Progress func(done, total int, file string)
}

// State is how a file of a part is in the store.
type State string

// The states of a file.
const (
	Present State = "present"
	Absent  State = "absent"
	Altered State = "altered" // there, with another content
)

// pinned is a file of a part with all that is needed to find it.
type pinned struct {
	part Part
	file File
}

func (l *Lock) files() []pinned {
	var all []pinned
	for _, part := range l.Parts {
		for _, file := range part.Files {
			all = append(all, pinned{part, file})
		}
	}
	return all
}

func (p pinned) String() string { return p.part.String() + ", " + p.file.Name }

func (p pinned) address() string { return p.part.URL + p.file.Name }

func (s Store) path(p pinned) string {
	return filepath.Join(s.Dir, p.part.Name, p.part.Version, p.file.Name)
}

// States tells how the files of a part are in the store, in their order. Those
// of a part that the manifests hold themselves are not in the store.
func (s Store) States(part Part) ([]State, error) {
	states := make([]State, len(part.Files))
	for i, file := range part.Files {
		_, err := s.read(pinned{part, file})
		switch {
		case err == nil:
			states[i] = Present
		case errors.Is(err, fs.ErrNotExist):
			states[i] = Absent
		case errors.As(err, new(*digestError)):
			states[i] = Altered
		default:
			return nil, &problem.Error{What: "the cache of parts cannot be read", Cause: err, Next: "see who owns " + s.Dir}
		}
	}
	return states, nil
}

// Verify fails if a file of the lock is missing or another one.
func (s Store) Verify(lock *Lock) error {
	for _, wanted := range lock.files() {
		if !wanted.part.Remote() {
			continue
		}
		if _, err := s.read(wanted); err != nil {
			return &problem.Error{
				What: fmt.Sprintf("%s is not in %s as it should be", wanted, s.Dir), Cause: err,
				Next: "fetch it: gmctl parts fetch", Kind: problem.Unhealthy,
			}
		}
	}
	return nil
}

// read returns the content of a file, verified.
func (s Store) read(wanted pinned) ([]byte, error) {
	content, err := os.ReadFile(s.path(wanted))
	if err != nil {
		return nil, err
	}
	return content, wanted.verify(content)
}

// digestError is that a content is not the pinned one.
type digestError struct{ wanted, got string }

func (e *digestError) Error() string {
	return fmt.Sprintf("its SHA-256 is %s, pinned is %s", e.got, e.wanted)
}

func (p pinned) verify(content []byte) error {
	if got := digest(content); got != p.file.SHA256 {
		return &digestError{wanted: p.file.SHA256, got: got}
	}
	return nil
}

func digest(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// write puts a verified content into the store; a reader sees all of it or the
// former one.
func (s Store) write(p pinned, content []byte) error {
	path := s.path(p)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	temporary, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(temporary.Name())
	_, err = temporary.Write(content)
	if err := errors.Join(err, temporary.Close()); err != nil {
		return err
	}
	if err := os.Chmod(temporary.Name(), 0o644); err != nil {
		return err
	}
	return os.Rename(temporary.Name(), path)
}
