package parts

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path"
	"regexp"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// LockFile is the name of the lock at the top of the manifests.
const LockFile = "parts.lock.yaml"

// Lock pins the parts.
type Lock struct {
	Parts []Part `json:"parts"`
}

// Part is one third-party component.
type Part struct {
	Name      string `json:"name"`
	Version   string `json:"version"`
	Namespace string `json:"namespace"` // where the base installs it
	// URL is what the files' names are appended to. Without a scheme it is a folder
	// of the manifests themselves, for those who keep the parts with them.
	URL    string   `json:"url"`
	Files  []File   `json:"files"`
	Images []string `json:"images"` // what its pods run
}

// File is one manifest of a part.
type File struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"` // in hex
}

// Remote reports whether the part's files come from elsewhere.
func (p Part) Remote() bool { return strings.Contains(p.URL, "://") }

func (p Part) String() string { return p.Name + " " + p.Version }

// ReadLock reads the lock of the manifests in tree. Its error is a
// *problem.Error.
func ReadLock(tree fs.FS) (*Lock, error) {
	text, err := fs.ReadFile(tree, LockFile)
	if err != nil {
		return nil, invalid(err)
	}
	lock := &Lock{}
	if err := yaml.UnmarshalStrict(text, lock); err != nil {
		return nil, invalid(err)
	}
	if err := lock.check(); err != nil {
		return nil, invalid(err)
	}
	return lock, nil
}

func invalid(err error) error {
	return &problem.Error{
		What: LockFile + " of the manifests cannot be read", Cause: err,
		Next: "take it anew from gmctl eject, or mend what the cause names", Kind: problem.Usage,
	}
}

func (l *Lock) check() error {
	var (
		errs   []error
		digest = regexp.MustCompile(`^[0-9a-f]{64}$`)
		label  = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$`)
		names  = map[string]bool{}
	)
	for _, part := range l.Parts {
		if !label.MatchString(part.Name) || !label.MatchString(part.Version) || names[part.Name] {
			errs = append(errs, fmt.Errorf("part %q: name and version must be lower-case labels, and the name its only one", part))
		}
		names[part.Name] = true
		if err := checkURL(part); err != nil {
			errs = append(errs, fmt.Errorf("part %s: %w", part.Name, err))
		}
		files := map[string]bool{"": true, kustomization: true}
		for _, file := range part.Files {
			if path.Base(file.Name) != file.Name || strings.HasPrefix(file.Name, ".") || files[file.Name] {
				errs = append(errs, fmt.Errorf("part %s: %q is no name of a file, or there twice", part.Name, file.Name))
			}
			files[file.Name] = true
			if !digest.MatchString(file.SHA256) {
				errs = append(errs, fmt.Errorf("part %s, %s: %q is no SHA-256", part.Name, file.Name, file.SHA256))
			}
		}
	}
	return errors.Join(errs...)
}

func checkURL(part Part) error {
	if !part.Remote() {
		if !fs.ValidPath(strings.TrimSuffix(part.URL, "/")) {
			return fmt.Errorf("%q is neither an address nor a folder of the manifests", part.URL)
		}
		return nil
	}
	address, err := url.Parse(part.URL)
	if err != nil {
		return err
	}
	if (address.Scheme != "https" && address.Scheme != "http") || !strings.HasSuffix(address.Path, "/") {
		return fmt.Errorf("%q must begin with https:// and end in /", part.URL)
	}
	return nil
}
