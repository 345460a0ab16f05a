package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// OldestMajor is the oldest major version of PostgreSQL that gmctl runs.
const OldestMajor = 14

// Binaries are PostgreSQL's programs.
type Binaries struct {
	Dir        string `json:"dir"`     // holds initdb and postgres
	Version    string `json:"version"` // "15.18"
	Major      int    `json:"major"`
	Downloaded bool   `json:"downloaded"` // by gmctl, into its cache
}

func (b Binaries) initdb() string   { return filepath.Join(b.Dir, "initdb") }
func (b Binaries) postgres() string { return filepath.Join(b.Dir, "postgres") }

// Find returns the binaries to run: those in explicitDir if it is set; else
// installed ones, from PATH or from the usual places, the newest first; else
// downloaded ones, from cacheDir or from the network. progress, if not nil, is
// told of a download. Errors are *problem.Error of kind Missing.
func Find(ctx context.Context, explicitDir, cacheDir string, progress func(string)) (Binaries, error) {
	return FindMajor(ctx, 0, explicitDir, cacheDir, progress)
}

// FindMajor is Find for a data directory that exists: of several binaries it
// prefers those of the major version that made it (MajorOf), and takes others
// only if explicitDir names them.
func FindMajor(ctx context.Context, major int, explicitDir, cacheDir string, progress func(string)) (Binaries, error) {
	found, ok, err := Look(ctx, major, explicitDir, cacheDir)
	if ok || err != nil {
		return found, err
	}
	return downloaded(ctx, major, cacheDir, progress)
}

// Look is FindMajor on this machine alone: false means that the binaries would
// have to be downloaded. It changes nothing.
func Look(ctx context.Context, major int, explicitDir, cacheDir string) (Binaries, bool, error) {
	if explicitDir != "" {
		found, err := Inspect(ctx, explicitDir)
		if err != nil {
			return Binaries{}, false, &problem.Error{
				What:  "PostgreSQL's programs cannot be run from local.postgres.binaries, " + explicitDir,
				Cause: err,
				Next:  "set it to the directory that holds initdb and postgres, such as /usr/lib/postgresql/17/bin, or leave it out",
				Kind:  problem.Missing,
			}
		}
		return found, true, nil
	}
	if found, ok := installed(ctx, major); ok {
		return found, true, nil
	}
	return cached(ctx, major, cacheDir)
}

// installed returns the binaries that the machine has: of the given major
// version, or the first fit ones for major 0.
func installed(ctx context.Context, major int) (Binaries, bool) {
	for _, dir := range installedDirs() {
		found, err := Inspect(ctx, dir)
		if err == nil && (major == 0 || found.Major == major) {
			return found, true
		}
	}
	return Binaries{}, false
}

// installedDirs lists the directories that hold initdb: PATH's, then the usual
// places of packages, the newest version first.
func installedDirs() []string {
	var dirs []string
	add := func(initdb string) {
		real, err := filepath.EvalSymlinks(initdb)
		if err != nil {
			return
		}
		if dir := filepath.Dir(real); !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		if filepath.IsAbs(dir) {
			add(filepath.Join(dir, "initdb"))
		}
	}
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin/initdb", // Debian, Ubuntu
		"/usr/pgsql-*/bin/initdb",          // PostgreSQL's own RPMs
		"/usr/lib/postgresql*/bin/initdb",  // SUSE, Alpine
		"/usr/libexec/postgresql*/initdb",
		"/usr/local/pgsql/bin/initdb",
		"/opt/homebrew/opt/postgresql@*/bin/initdb",
		"/usr/local/opt/postgresql@*/bin/initdb",
		"/home/linuxbrew/.linuxbrew/opt/postgresql@*/bin/initdb",
		"/Applications/Postgres.app/Contents/Versions/*/bin/initdb",
		"/Library/PostgreSQL/*/bin/initdb",
	} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			continue
		}
		slices.SortFunc(found, func(a, b string) int { return versionIn(b) - versionIn(a) })
		for _, initdb := range found {
			add(initdb)
		}
	}
	return dirs
}

var firstNumber = regexp.MustCompile(`[0-9]+`)

// versionIn is the first number in the path, which in these places is the major version.
func versionIn(path string) int {
	n, _ := strconv.Atoi(firstNumber.FindString(path)) // none: 0
	return n
}

// printedVersion is what postgres --version prints: "postgres (PostgreSQL) 15.18 (Debian …)", "17beta1".
var printedVersion = regexp.MustCompile(`\(PostgreSQL\) (([0-9]+)[0-9a-z.]*)`)

// Inspect returns the binaries in dir, if they run and are fit for gmctl.
func Inspect(ctx context.Context, dir string) (Binaries, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return Binaries{}, err
	}
	found := Binaries{Dir: dir}
	if _, err := exec.LookPath(found.initdb()); err != nil {
		return Binaries{}, err
	}
	if err := runnable(found.postgres()); err != nil {
		return Binaries{}, err
	}
	output, err := exec.CommandContext(ctx, found.postgres(), "--version").CombinedOutput()
	if err != nil {
		return Binaries{}, fmt.Errorf("%s --version: %w: %s", found.postgres(), err, strings.TrimSpace(string(output)))
	}
	match := printedVersion.FindSubmatch(output)
	if match == nil {
		return Binaries{}, fmt.Errorf("%s --version: not a version of PostgreSQL: %q", found.postgres(), output)
	}
	found.Version = string(match[1])
	if found.Major, err = strconv.Atoi(string(match[2])); err != nil {
		return Binaries{}, err
	}
	if found.Major < OldestMajor {
		return Binaries{}, fmt.Errorf("%s is PostgreSQL %s, and gmctl needs %d or later", found.postgres(), found.Version, OldestMajor)
	}
	return found, nil
}

// runnable checks that the account which will run the program can reach it.
func runnable(path string) error {
	if os.Geteuid() != 0 || runtime.GOOS == "windows" {
		_, err := exec.LookPath(path)
		return err
	}
	account, err := unprivileged()
	if err != nil {
		return err
	}
	if closed := account.closedParent(path); closed != "" {
		return fmt.Errorf("the user %s, who runs PostgreSQL for root, cannot pass through %s", account.name, closed)
	}
	_, err = exec.LookPath(path)
	return err
}

// InstallHint is how to get PostgreSQL from this machine's package manager.
func InstallHint() string {
	switch {
	case runtime.GOOS == "darwin":
		return "brew install postgresql@17"
	case exists("/etc/debian_version"):
		return "apt-get install postgresql"
	case exists("/etc/alpine-release"):
		return "apk add postgresql"
	case exists("/etc/arch-release"):
		return "pacman -S postgresql"
	case exists("/etc/redhat-release"), exists("/etc/fedora-release"):
		return "dnf install postgresql-server"
	}
	return "install PostgreSQL with your package manager"
}

// errNoVersion: embedded-postgres does not know the major version.
var errNoVersion = errors.New("no such version can be downloaded")
