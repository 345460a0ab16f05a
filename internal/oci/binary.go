package oci

import (
	"cmp"
	"debug/buildinfo"
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// Binary is gmctl for one platform.
type Binary struct {
	Path         string
	Architecture string // amd64 or arm64; the system is linux
	Version      string // "v1.2.3"
	Revision     string // commit; empty: not known
	Created      string // when the commit was made, RFC 3339; empty: not known
}

// Platform is linux/ and the architecture.
func (b Binary) Platform() string { return "linux/" + b.Architecture }

const (
	nextStatic = "build it without cgo: make build, or take the binary of a release"
	nextLinux  = "in gmctl.yaml, set image.source to a folder with Linux binaries of gmctl, or to a released image as HOST/NAME@sha256:…"
)

// Inspect looks at a file and refuses, as a *problem.Error that says why, what
// does not run in an image of ours: anything but a static program for Linux on
// amd64 or arm64.
func Inspect(path string) (Binary, error) {
	refuse := func(cause error, next string) (Binary, error) {
		return Binary{}, &problem.Error{What: path + " cannot be put into an image", Cause: cause, Next: next, Kind: problem.Usage}
	}
	info, err := buildinfo.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return refuse(err, nextLinux)
	}
	if err != nil {
		return refuse(errors.New("it is no program built with Go"), nextLinux)
	}
	found := Binary{Path: path, Version: info.Main.Version}
	system := ""
	for _, setting := range info.Settings {
		switch setting.Key {
		case "GOOS":
			system = setting.Value
		case "GOARCH":
			found.Architecture = setting.Value
		case "vcs.revision":
			found.Revision = setting.Value
		case "vcs.time":
			found.Created = setting.Value
		}
	}
	if found.Version == "" || found.Version == "(devel)" {
		found.Version = "dev"
	}
	if system != "linux" || found.Architecture != "amd64" && found.Architecture != "arm64" {
		return refuse(fmt.Errorf("it is for %s/%s, and images run on linux/amd64 or linux/arm64", system, found.Architecture), nextLinux)
	}
	static, err := isStatic(path)
	if err != nil {
		return refuse(err, nextLinux)
	}
	if !static {
		return refuse(errors.New("it is dynamically linked, and the image holds no libraries"), nextStatic)
	}
	return found, nil
}

// isStatic reports whether the program asks for no dynamic loader.
func isStatic(path string) (bool, error) {
	file, err := elf.Open(path)
	if err != nil {
		return false, err
	}
	defer file.Close()
	return !slices.ContainsFunc(file.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }), nil
}

// FindBinaries returns the Linux binaries of gmctl below dir, as a release has
// them: each in a folder of its own, or side by side. They are known by what is
// in them; files for other systems are passed over.
func FindBinaries(dir string) ([]Binary, error) {
	var found []Binary
	var refused error
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !entry.Type().IsRegular() || !strings.HasPrefix(entry.Name(), "gmctl") || !isELF(path) {
			return nil
		}
		binary, err := Inspect(path)
		if err != nil {
			refused = cmp.Or(refused, err)
			return nil
		}
		found = append(found, binary)
		return nil
	})
	what := "there are no binaries of gmctl for an image"
	switch {
	case err != nil:
		return nil, &problem.Error{What: what, Cause: err, Next: nextLinux, Kind: problem.Usage}
	case len(found) == 0 && refused != nil:
		return nil, refused
	case len(found) == 0:
		return nil, &problem.Error{What: what, Cause: errors.New("none in " + dir + " is for Linux"), Next: nextLinux, Kind: problem.Usage}
	}
	slices.SortFunc(found, func(a, b Binary) int { return cmp.Compare(a.Architecture, b.Architecture) })
	for i, binary := range found[1:] {
		if before := found[i]; before.Architecture == binary.Architecture {
			return nil, &problem.Error{
				What: "it is not clear which gmctl the image is made of", Cause: fmt.Errorf("%s and %s are both for %s", before.Path, binary.Path, binary.Platform()),
				Next: "leave one of them there", Kind: problem.Usage,
			}
		}
	}
	return found, nil
}

func isELF(path string) bool {
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	defer file.Close()
	magic := make([]byte, len(elf.ELFMAG))
	_, err = file.Read(magic)
	return err == nil && string(magic) == elf.ELFMAG
}
