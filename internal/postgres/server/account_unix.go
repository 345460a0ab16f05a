//go:build unix

package server

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// account is the user that PostgreSQL runs as.
type account struct {
	name     string
	uid, gid uint32
	other    bool // another than this process's
}

// rootDataBase holds the data directories of root's environments that the
// account cannot reach where they would otherwise be.
const rootDataBase = "/var/lib/gmctl"

// accountFor returns the account that runs the server of the data directory:
// this process's, or for root the owner of the data directory, or postgres, or nobody.
func accountFor(dataDir string) (account, error) {
	if os.Geteuid() != 0 {
		return account{name: "uid " + strconv.Itoa(os.Geteuid()), uid: uint32(os.Geteuid()), gid: uint32(os.Getegid())}, nil
	}
	if info, err := os.Stat(dataDir); err == nil {
		if owner := info.Sys().(*syscall.Stat_t); owner.Uid != 0 {
			return account{name: userName(owner.Uid), uid: owner.Uid, gid: owner.Gid, other: true}, nil
		}
	}
	return unprivileged()
}

func unprivileged() (account, error) {
	var failures []error
	for _, name := range []string{"postgres", "nobody"} {
		found, err := user.Lookup(name)
		if err != nil {
			failures = append(failures, err)
			continue
		}
		uid, uidErr := strconv.ParseUint(found.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(found.Gid, 10, 32)
		if err := errors.Join(uidErr, gidErr); err != nil {
			failures = append(failures, err)
			continue
		}
		return account{name: name, uid: uint32(uid), gid: uint32(gid), other: true}, nil
	}
	return account{}, &problem.Error{
		What:  "there is no unprivileged user to run PostgreSQL, which refuses to run as root",
		Cause: errors.Join(failures...),
		Next:  "run gmctl as a normal user, or make one: useradd --system postgres",
		Kind:  problem.Missing,
	}
}

func userName(uid uint32) string {
	if found, err := user.LookupId(strconv.Itoa(int(uid))); err == nil {
		return found.Username
	}
	return "uid " + strconv.Itoa(int(uid))
}

func (a account) credential() *syscall.Credential {
	if !a.other {
		return nil
	}
	return &syscall.Credential{Uid: a.uid, Gid: a.gid}
}

// own gives the paths to the account.
func (a account) own(paths ...string) error {
	if !a.other {
		return nil
	}
	for _, path := range paths {
		if err := os.Lchown(path, int(a.uid), int(a.gid)); err != nil {
			return err
		}
	}
	return nil
}

// mustOwn returns a problem if the data directory belongs to someone else.
func (a account) mustOwn(dataDir string) error {
	info, err := os.Stat(dataDir)
	if err != nil {
		return problemOf("the data directory "+dataDir+" cannot be read", err)
	}
	if owner := info.Sys().(*syscall.Stat_t).Uid; owner != a.uid {
		return &problem.Error{
			What:  "the data directory " + dataDir + " belongs to another user",
			Cause: fmt.Errorf("its owner is %s, and PostgreSQL would run as %s", userName(owner), a.name),
			Next:  fmt.Sprintf("run gmctl as %s, or give it away: chown -R %s %s", userName(owner), a.name, dataDir),
		}
	}
	return nil
}

// mustReach returns a problem if a parent of the path is closed to the account.
func (a account) mustReach(path string) error {
	if closed := a.closedParent(path); closed != "" {
		return &problem.Error{
			What:  fmt.Sprintf("the user %s, who runs PostgreSQL, cannot reach %s", a.name, path),
			Cause: fmt.Errorf("%s is closed to others", closed),
			Next:  "run: chmod o+x " + closed,
		}
	}
	return nil
}

// closedParent returns the topmost parent of path that the account may not
// pass through; empty if it can reach the path. Parents that are not there yet
// do not count.
func (a account) closedParent(path string) string {
	if !a.other {
		return ""
	}
	existing := filepath.Dir(path)
	for {
		real, err := filepath.EvalSymlinks(existing)
		if err == nil {
			existing = real
			break
		}
		if parent := filepath.Dir(existing); parent != existing {
			existing = parent
			continue
		}
		return ""
	}
	closed := ""
	for dir := existing; ; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err == nil && !a.mayPass(info) {
			closed = dir
		}
		if dir == filepath.Dir(dir) {
			return closed
		}
	}
}

func (a account) mayPass(info fs.FileInfo) bool {
	owner := info.Sys().(*syscall.Stat_t)
	switch {
	case owner.Uid == a.uid:
		return info.Mode()&0o100 != 0
	case owner.Gid == a.gid:
		return info.Mode()&0o010 != 0
	}
	return info.Mode()&0o001 != 0
}

// DataDirFor returns where the data directory is to be: preferred, unless root
// runs it and the account that runs PostgreSQL cannot reach that; then a
// directory that belongs to preferred alone, under /var/lib/gmctl. What holds
// data already is kept where it is. Nothing is made.
func DataDirFor(root bool, preferred string) (string, error) {
	if !root || exists(filepath.Join(preferred, "PG_VERSION")) {
		return preferred, nil
	}
	fallback := fallbackFor(preferred)
	if exists(fallback) {
		return fallback, nil
	}
	account, err := unprivileged()
	if err != nil {
		return "", err
	}
	if account.closedParent(preferred) == "" {
		return preferred, nil
	}
	return fallback, nil
}

func fallbackFor(preferred string) string {
	hash := sha256.Sum256([]byte(filepath.Clean(preferred)))
	return filepath.Join(rootDataBase, hex.EncodeToString(hash[:6]), filepath.Base(preferred))
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// rootCache holds the downloads of root where the account cannot reach root's own cache.
const rootCache = "/var/cache/gmctl"

// reachableCache returns cacheDir, or for root a directory that the account
// which runs PostgreSQL can reach.
func reachableCache(cacheDir string) (string, error) {
	if os.Geteuid() != 0 {
		return cacheDir, nil
	}
	account, err := unprivileged()
	if err != nil {
		return "", err
	}
	if account.closedParent(filepath.Join(cacheDir, "x")) == "" {
		return cacheDir, nil
	}
	return rootCache, nil
}
