package server

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// superuser is the role that initdb makes.
const superuser = "postgres"

// The files of a secrets directory, each readable by its owner alone.
const (
	superuserFile = "postgres-superuser.password"
	userFile      = "postgres.password"
	pgpassFile    = "pgpass"
)

// PgpassFile is the file of a secrets directory that lets psql in:
// PGPASSFILE=… psql -h 127.0.0.1 -p PORT -U gamemetrics gamemetrics.
func PgpassFile(secretsDir string) string { return filepath.Join(secretsDir, pgpassFile) }

// secrets are the passwords of a cluster.
type secrets struct {
	dir       string
	superuser string // empty: the file was not there
	user      string
}

// openSecrets reads the passwords and makes the user's if it is not there. The
// superuser's is made together with the cluster.
func openSecrets(dir string) (*secrets, error) {
	fail := func(err error) (*secrets, error) {
		return nil, problemOf("the passwords of PostgreSQL in "+dir+" cannot be read or made", err)
	}
	if err := makeParents(dir); err != nil {
		return fail(err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fail(err)
	}
	s := &secrets{dir: dir}
	var err error
	if s.superuser, err = readSecret(dir, superuserFile); err != nil {
		return fail(err)
	}
	if s.user, err = readSecret(dir, userFile); err != nil {
		return fail(err)
	}
	if s.user == "" {
		s.user = rand.Text()
		if err := writeSecret(dir, userFile, s.user); err != nil {
			return fail(err)
		}
	}
	return s, nil
}

func (s *secrets) hasSuperuser() bool { return s.superuser != "" }

// newSuperuser makes and keeps a password for the superuser.
func (s *secrets) newSuperuser() error {
	password := rand.Text()
	if err := writeSecret(s.dir, superuserFile, password); err != nil {
		return problemOf("the superuser's password cannot be kept in "+s.dir, err)
	}
	s.superuser = password
	return nil
}

// writePgpass writes the pgpass file for the user's own psql.
func (s *secrets) writePgpass(cfg Config) error {
	line := fmt.Sprintf("127.0.0.1:%d:*:%s:%s", cfg.Port, cfg.User, s.user)
	if current, err := readSecret(s.dir, pgpassFile); err == nil && current == line {
		return nil
	}
	return writeSecret(s.dir, pgpassFile, line)
}

func readSecret(dir, name string) (string, error) {
	content, err := os.ReadFile(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return strings.TrimSpace(string(content)), err
}

// writeSecret replaces the file whole, synced: a password that a cluster was
// made with must not be lost with the power.
func writeSecret(dir, name, secret string) error {
	draft, err := os.CreateTemp(dir, "."+name+"-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(draft.Name())
	_, err = draft.WriteString(secret + "\n")
	if err == nil {
		err = draft.Sync()
	}
	if closed := draft.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	if err := os.Rename(draft.Name(), filepath.Join(dir, name)); err != nil {
		return err
	}
	return syncDir(dir)
}

// Password returns the password of Config.User that the secrets directory holds.
func Password(secretsDir string) (string, error) {
	password, err := readSecret(secretsDir, userFile)
	if err == nil && password == "" {
		err = fs.ErrNotExist
	}
	if err != nil {
		return "", &problem.Error{
			What:  "the password of the local PostgreSQL cannot be read from " + filepath.Join(secretsDir, userFile),
			Cause: err,
			Next:  "run: gmctl up",
		}
	}
	return password, nil
}
