package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// cluster is a data directory and what works on it.
type cluster struct {
	dir      string
	binaries Binaries
	account  account
}

// stagePattern names the directories in which initdb works, beside the data
// directory: one found at a start was left by a start that was killed.
func (c cluster) stagePattern() string { return "." + filepath.Base(c.dir) + ".new-*" }

// ensure makes the cluster if it is not there, and reports whether it made it.
func (c cluster) ensure(ctx context.Context, secrets *secrets, report func(string)) (fresh bool, err error) {
	major, err := MajorOf(c.dir)
	if err != nil {
		return false, err
	}
	if major == 0 {
		return true, c.create(ctx, secrets, report)
	}
	if major != c.binaries.Major {
		return false, &problem.Error{
			What:  fmt.Sprintf("the data directory %s cannot be opened", c.dir),
			Cause: fmt.Errorf("it was made by PostgreSQL %d, and the binaries in %s are of PostgreSQL %s", major, c.binaries.Dir, c.binaries.Version),
			Next:  fmt.Sprintf("install PostgreSQL %d or set local.postgres.binaries to its directory; to drop the data instead, run: gmctl teardown", major),
			Kind:  problem.Missing,
		}
	}
	if err := c.account.mustOwn(c.dir); err != nil {
		return false, err
	}
	return false, c.removeStages(ctx)
}

// create makes the cluster in a directory of its own and renames it when it is
// whole and on disk.
func (c cluster) create(ctx context.Context, secrets *secrets, report func(string)) (err error) {
	report("making the database cluster in " + c.dir)
	if err := c.removeStages(ctx); err != nil {
		return err
	}
	fail := func(err error) error {
		return problemOf("the data directory "+c.dir+" cannot be made", err)
	}
	if !secrets.hasSuperuser() {
		if err := secrets.newSuperuser(); err != nil {
			return err
		}
	}
	stage, err := os.MkdirTemp(filepath.Dir(c.dir), c.stagePattern())
	if err != nil {
		return fail(err)
	}
	defer func() {
		if removed := os.RemoveAll(stage); err == nil && removed != nil {
			err = fail(removed)
		}
	}()
	data, password := filepath.Join(stage, "data"), filepath.Join(stage, "password")
	if err := os.Mkdir(data, 0o700); err != nil {
		return fail(err)
	}
	if err := os.WriteFile(password, []byte(secrets.superuser+"\n"), 0o600); err != nil {
		return fail(err)
	}
	if err := c.account.own(stage, data, password); err != nil {
		return fail(err)
	}
	if err := c.initdb(ctx, data, password); err != nil {
		return err
	}
	// An empty directory may be in the place, and nothing else (MajorOf).
	if err := os.Remove(c.dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fail(err)
	}
	if err := os.Rename(data, c.dir); err != nil {
		return fail(err)
	}
	if err := syncDir(filepath.Dir(c.dir)); err != nil {
		return fail(err)
	}
	return nil
}

func (c cluster) initdb(ctx context.Context, data, password string) error {
	arguments := []string{
		"-D", data, "--username=" + superuser, "--pwfile=" + password,
		"--auth=scram-sha-256", "--encoding=UTF8", "--data-checksums", "--no-instructions",
		"--locale=C", // sorts by code point, the same everywhere and for ever
	}
	if c.binaries.Major >= 17 {
		// As C, and knows the case of letters beyond ASCII.
		arguments = append(arguments, "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
	}
	output, err := c.run(ctx, "", c.binaries.initdb(), arguments...)
	if err != nil {
		return explainLog("initdb could not make the data directory "+c.dir, err, output)
	}
	return nil
}

// resetSuperuser gives the superuser of a stopped cluster a new password, for
// the case that the file that held it was lost.
func (c cluster) resetSuperuser(ctx context.Context, secrets *secrets, report func(string)) error {
	report("setting a new superuser password")
	if err := secrets.newSuperuser(); err != nil {
		return err
	}
	statement := fmt.Sprintf("ALTER ROLE %s PASSWORD '%s';\n", superuser, secrets.superuser)
	output, err := c.run(ctx, statement, c.binaries.postgres(), "--single", "-D", c.dir, "-c", "exit_on_error=on", "postgres")
	if err != nil {
		return explainLog("the superuser's password in "+c.dir+" could not be set", err, output)
	}
	return nil
}

// run executes one of PostgreSQL's programs to its end, and returns what it
// wrote last.
func (c cluster) run(ctx context.Context, stdin, path string, arguments ...string) ([]string, error) {
	child, err := spawn(c.account, io.Discard, strings.NewReader(stdin), path, arguments...)
	if err != nil {
		return nil, err
	}
	select {
	case <-child.done:
	case <-ctx.Done():
		stopped := child.stop(context.WithoutCancel(ctx))
		return nil, errors.Join(context.Cause(ctx), stopped)
	}
	child.drain(immediateShutdown)
	return child.tail(), child.err
}

// removeStages removes what killed starts left. The caller holds the lock of
// the parent directory, so none of them is in use.
func (c cluster) removeStages(ctx context.Context) error {
	left, err := filepath.Glob(filepath.Join(filepath.Dir(c.dir), c.stagePattern()))
	if err != nil {
		return err
	}
	for _, stage := range left {
		// The initdb of a start that was killed a moment ago may still be
		// cleaning up, so that files come and go.
		var err error
		if _, cancelled := await(ctx, immediateShutdown, func() bool { err = os.RemoveAll(stage); return err == nil }); cancelled != nil {
			return cancelled
		}
		if err != nil {
			return problemOf("the half-made cluster "+stage+" cannot be removed", err)
		}
	}
	return nil
}

// MajorOf returns the major version of PostgreSQL that made the data directory,
// 0 where it is empty or not there.
func MajorOf(dataDir string) (int, error) {
	content, err := os.ReadFile(filepath.Join(dataDir, "PG_VERSION"))
	switch {
	case err == nil:
		major, err := strconv.Atoi(strings.TrimSpace(string(content)))
		if err != nil {
			return 0, damaged(dataDir, fmt.Errorf("its file PG_VERSION holds %q", content))
		}
		return major, nil
	case !errors.Is(err, fs.ErrNotExist):
		return 0, problemOf("the data directory "+dataDir+" cannot be read", err)
	}
	entries, err := os.ReadDir(dataDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, problemOf("the data directory "+dataDir+" cannot be read", err)
	}
	if len(entries) > 0 {
		return 0, damaged(dataDir, fmt.Errorf("it holds %s and others, but no PG_VERSION", entries[0].Name()))
	}
	return 0, nil
}

func damaged(dir string, cause error) error {
	return &problem.Error{
		What:  dir + " is not a whole PostgreSQL data directory",
		Cause: cause,
		Next:  "put a copy of it back in place; to start anew without the data, run: gmctl teardown, then gmctl up",
	}
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
