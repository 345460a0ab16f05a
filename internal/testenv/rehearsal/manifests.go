//go:build unix

package rehearsal

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	_ "embed"

	"sigs.k8s.io/yaml"

	"github.com/gamemetrics/gmctl/internal/parts"
	"github.com/gamemetrics/gmctl/k8s"
)

// operator is what of Strimzi's operator this account has in place of the
// release's: its deployment, which kwok plays.
//
//go:embed strimzi-operator.yaml
var operator []byte

// writeManifests writes the platform's manifests into dir, as a user who owns
// them has them, with those parts replaced that are in no package registry:
// Strimzi by its real definitions (crds) and a played operator. The metrics API
// is left out of metrics-server, whose pods serve nothing here: an API without a
// server keeps Kubernetes from deleting any namespace. The other parts are the
// release's own, and come from the folders sources, by part.
func writeManifests(dir string, crds []string, sources map[string]string) error {
	if err := os.CopyFS(dir, k8s.Tree); err != nil {
		return err
	}
	lock, err := parts.ReadLock(k8s.Tree)
	if err != nil {
		return err
	}
	for i := range lock.Parts {
		part := &lock.Parts[i]
		folder := filepath.Join("own", part.Name)
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o755); err != nil {
			return err
		}
		var files []parts.File
		if part.Name == "strimzi" {
			files, err = strimziFiles(filepath.Join(dir, folder), crds)
		} else {
			files, err = released(filepath.Join(dir, folder), part, sources[part.Name])
		}
		if err != nil {
			return err
		}
		part.URL, part.Files = filepath.ToSlash(folder)+"/", files
	}
	text, err := yaml.Marshal(lock)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, parts.LockFile), text, 0o644)
}

func strimziFiles(dir string, crds []string) ([]parts.File, error) {
	content := map[string][]byte{"060-operator.yaml": operator}
	for _, path := range crds {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		content["040-"+filepath.Base(path)] = text
	}
	return put(dir, content)
}

// released copies the files of a part from where its release has them. Their
// digests are held against the lock: what stands there is what users get.
func released(dir string, part *parts.Part, source string) ([]parts.File, error) {
	content := map[string][]byte{}
	for _, file := range part.Files {
		text, err := os.ReadFile(filepath.Join(source, file.Name))
		if err != nil {
			return nil, err
		}
		if sum := digest(text); sum != file.SHA256 {
			return nil, fmt.Errorf("%s of %s has the digest %s, and %s in the lock", file.Name, part, sum, file.SHA256)
		}
		if !strings.Contains(string(text), "kind: APIService") {
			content[file.Name] = text
		}
	}
	return put(dir, content)
}

func put(dir string, content map[string][]byte) ([]parts.File, error) {
	for name, text := range content {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return nil, err
		}
	}
	var files []parts.File
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			files = append(files, parts.File{Name: path, SHA256: digest(content[path])})
		}
		return err
	})
	return files, err
}

func digest(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}
