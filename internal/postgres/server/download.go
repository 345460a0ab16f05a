package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	embedded "github.com/fergusstrange/embedded-postgres"
	"github.com/gofrs/flock"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// DownloadSize is about how many bytes a download takes.
const DownloadSize = 15 << 20

// downloadLimit bounds a download: the library waits for a silent network for ever.
const downloadLimit = 10 * time.Minute

// RepositoryVariable names a mirror of Maven Central to download from.
const RepositoryVariable = "GMCTL_MAVEN_REPOSITORY"

// downloadVersion returns the version that embedded-postgres knows of a major
// one, or the one for new data for 0; empty if it knows none.
func downloadVersion(major int) embedded.PostgresVersion {
	switch major {
	case 14:
		return embedded.V14
	case 15:
		return embedded.V15
	case 16:
		return embedded.V16
	case 17:
		return embedded.V17
	case 0, 18:
		return embedded.V18
	}
	return ""
}

// DownloadVersion is the version of PostgreSQL that gmctl downloads for data of
// the major version, or for new data for 0; empty if there is none.
func DownloadVersion(major int) string { return shortVersion(downloadVersion(major)) }

// cachedDir is where downloaded binaries of the version are kept below cacheDir.
func cachedDir(cacheDir string, version embedded.PostgresVersion) string {
	return filepath.Join(cacheDir, fmt.Sprintf("postgres-%s-%s-%s", shortVersion(version), runtime.GOOS, runtime.GOARCH))
}

// shortVersion: 17.5.0 in Maven is PostgreSQL 17.5.
func shortVersion(version embedded.PostgresVersion) string {
	return strings.TrimSuffix(string(version), ".0")
}

// downloaded fills the cache, if no other process just did, and returns its binaries.
func downloaded(ctx context.Context, major int, cacheDir string, progress func(string)) (Binaries, error) {
	if err := platformSupported(); err != nil {
		return Binaries{}, err
	}
	version := downloadVersion(major)
	if version == "" {
		return Binaries{}, downloadFailed(major, cacheDir, errNoVersion)
	}
	cacheDir, err := reachableCache(cacheDir)
	if err != nil {
		return Binaries{}, err
	}
	dir := cachedDir(cacheDir, version)
	if err := makeParents(dir); err != nil {
		return Binaries{}, problemOf("the cache directory "+cacheDir+" cannot be made", err)
	}
	lock := flock.New(dir + ".lock")
	if _, err := lock.TryLockContext(ctx, 100*time.Millisecond); err != nil {
		return Binaries{}, problemOf("the cache directory "+cacheDir+" cannot be locked", err)
	}
	defer lock.Close()
	if found, ok, err := cached(ctx, major, cacheDir); ok || err != nil {
		return found, err // another process was faster
	}
	if progress != nil {
		progress(fmt.Sprintf("downloading PostgreSQL %s (about %d MB)", shortVersion(version), DownloadSize>>20))
	}
	bounded, cancel := context.WithTimeoutCause(ctx, downloadLimit, fmt.Errorf("it took longer than %v", downloadLimit))
	defer cancel()
	if err := fill(bounded, dir, version); err != nil {
		return Binaries{}, downloadFailed(major, dir, err)
	}
	found, err := Inspect(ctx, filepath.Join(dir, "bin"))
	if err != nil {
		return Binaries{}, downloadFailed(major, dir, err)
	}
	found.Downloaded = true
	return found, nil
}

// cached returns the binaries that an earlier download left, if they run.
func cached(ctx context.Context, major int, cacheDir string) (Binaries, bool, error) {
	version := downloadVersion(major)
	if version == "" {
		return Binaries{}, false, nil
	}
	cacheDir, err := reachableCache(cacheDir)
	if err != nil {
		return Binaries{}, false, err
	}
	// What is there and does not run is downloaded again.
	found, err := Inspect(ctx, filepath.Join(cachedDir(cacheDir, version), "bin"))
	found.Downloaded = err == nil
	return found, err == nil, nil
}

// fill downloads and unpacks into a directory of its own and renames it when it
// is whole. The caller holds the lock of dir.
func fill(ctx context.Context, dir string, version embedded.PostgresVersion) error {
	stages, err := filepath.Glob(dir + ".new-*")
	if err != nil {
		return err
	}
	for _, stage := range append(stages, dir) { // what killed fills left, and what does not run
		if err := os.RemoveAll(stage); err != nil {
			return err
		}
	}
	stage, err := os.MkdirTemp(filepath.Dir(dir), filepath.Base(dir)+".new-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(stage)
	unpacked := filepath.Join(stage, "unpacked")
	fetched := make(chan error, 1)
	go func() { fetched <- fetch(stage, unpacked, version) }()
	select {
	case err = <-fetched:
	case <-ctx.Done():
		// The library cannot be cancelled. It works in the stage alone, which
		// the next fill removes should this process end before it does.
		return context.Cause(ctx)
	}
	if err != nil {
		return err
	}
	if err := openUp(unpacked); err != nil {
		return err
	}
	return os.Rename(unpacked, dir)
}

// openUp lets everyone read what is in dir, whatever the umask was: for root,
// another user runs the programs.
func openUp(dir string) error {
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Type()&fs.ModeSymlink != 0 {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		mode := info.Mode().Perm() | 0o444
		if mode&0o100 != 0 || entry.IsDir() {
			mode |= 0o111
		}
		return os.Chmod(path, mode)
	})
}

// fetch has embedded-postgres download and unpack the binaries. The library
// offers that only as the first step of starting a server. Its data directory
// here holds nothing but a version number: the library takes it for a cluster
// that needs no initdb, and pg_ctl refuses it. So every call ends in an error,
// and whether the binaries are there is what counts.
func fetch(stage, unpacked string, version embedded.PostgresVersion) error {
	data := filepath.Join(stage, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		return err
	}
	major, _, _ := strings.Cut(string(version), ".")
	if err := os.WriteFile(filepath.Join(data, "PG_VERSION"), []byte(major+"\n"), 0o600); err != nil {
		return err
	}
	port, err := anyFreePort()
	if err != nil {
		return err
	}
	config := embedded.DefaultConfig() // downloads from Maven Central
	if mirror := os.Getenv(RepositoryVariable); mirror != "" {
		config = config.BinaryRepositoryURL(strings.TrimSuffix(mirror, "/"))
	}
	var log bytes.Buffer
	database := embedded.NewDatabase(config.
		Version(version).
		CachePath(filepath.Join(stage, "archive")).
		BinariesPath(unpacked).
		RuntimePath(filepath.Join(stage, "runtime")).
		DataPath(data).
		Port(port).
		StartTimeout(time.Second).
		Logger(io.Writer(&log)))
	started := database.Start()
	if started == nil {
		return errors.Join(errors.New("an empty cluster started"), database.Stop())
	}
	if !exists(filepath.Join(unpacked, "bin", "postgres")) || !exists(filepath.Join(unpacked, "bin", "initdb")) {
		return started
	}
	return nil
}

func anyFreePort() (uint32, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	port := listener.Addr().(*net.TCPAddr).Port
	return uint32(port), listener.Close()
}

func downloadFailed(major int, dir string, cause error) error {
	what := "PostgreSQL is not installed and could not be downloaded"
	hint := InstallHint()
	if major != 0 {
		what = "PostgreSQL " + strconv.Itoa(major) + ", which made the data, is not installed and could not be downloaded"
		hint = "install PostgreSQL " + strconv.Itoa(major)
	}
	return &problem.Error{
		What:  what,
		Cause: cause,
		Next: fmt.Sprintf("install it (%s), or set local.postgres.binaries to the directory of its programs; without a network, copy %s from a machine that has it, or set %s to a mirror of Maven Central",
			hint, dir, RepositoryVariable),
		Kind: problem.Missing,
	}
}
