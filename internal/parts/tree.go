package parts

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/yaml"

	"github.com/gamemetrics/gmctl/internal/problem"
)

const (
	folder        = "parts" // of the tree, with a folder for each part
	kustomization = "kustomization.yaml"
)

// Tree returns the manifests of tree together with the files of the parts that
// their lock pins, below parts/NAME, each with a kustomization that lists them.
// What the store lacks is fetched. Its error is a *problem.Error.
func (s Store) Tree(ctx context.Context, tree fs.FS) (fs.FS, error) {
	lock, err := ReadLock(tree)
	if err != nil {
		return nil, err
	}
	if _, err := s.Fetch(ctx, lock); err != nil {
		return nil, err
	}
	// Of what the standard library has, a zip file is the fs.FS that is made in memory.
	var memory bytes.Buffer
	archive := zip.NewWriter(&memory)
	if err := copyYAML(ctx, archive, tree); err != nil {
		return nil, &problem.Error{What: "the manifests cannot be read", Cause: err, Next: "see what the cause names"}
	}
	for _, part := range lock.Parts {
		if err := s.add(archive, tree, part); err != nil {
			return nil, err
		}
	}
	if err := archive.Close(); err != nil {
		return nil, err
	}
	return zip.NewReader(bytes.NewReader(memory.Bytes()), int64(memory.Len()))
}

// copyYAML copies the manifests alone: the folder of a user may hold more.
func copyYAML(ctx context.Context, archive *zip.Writer, tree fs.FS) error {
	return fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		if err := errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		if entry.IsDir() {
			if name != "." && strings.HasPrefix(entry.Name(), ".") {
				return fs.SkipDir
			}
			return nil
		}
		if extension := path.Ext(name); extension != ".yaml" && extension != ".yml" {
			return nil
		}
		content, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		return put(archive, name, content)
	})
}

func (s Store) add(archive *zip.Writer, tree fs.FS, part Part) error {
	list := types.Kustomization{TypeMeta: types.TypeMeta{APIVersion: types.KustomizationVersion, Kind: types.KustomizationKind}}
	for _, file := range part.Files {
		content, err := s.content(tree, pinned{part, file})
		if err != nil {
			return err
		}
		if err := put(archive, path.Join(folder, part.Name, file.Name), content); err != nil {
			return err
		}
		list.Resources = append(list.Resources, file.Name)
	}
	text, err := yaml.Marshal(list)
	if err != nil {
		return err
	}
	return put(archive, path.Join(folder, part.Name, kustomization), text)
}

// content returns a file of a part, verified, from the store or from the
// manifests themselves.
func (s Store) content(tree fs.FS, wanted pinned) ([]byte, error) {
	if wanted.part.Remote() {
		content, err := s.read(wanted)
		if err != nil {
			return nil, &problem.Error{What: fmt.Sprintf("%s cannot be used", wanted), Cause: err, Next: "fetch it: gmctl parts fetch"}
		}
		return content, nil
	}
	name := path.Join(wanted.part.URL, wanted.file.Name)
	content, err := fs.ReadFile(tree, name)
	if err == nil {
		err = wanted.verify(content)
	}
	if err != nil {
		return nil, &problem.Error{
			What: fmt.Sprintf("%s cannot be used", wanted), Cause: err,
			Next: "put the file into " + name + " of the manifests, or its SHA-256 into " + LockFile, Kind: problem.Usage,
		}
	}
	return content, nil
}

func put(archive *zip.Writer, name string, content []byte) error {
	w, err := archive.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
	if err != nil {
		return err
	}
	_, err = w.Write(content)
	return err
}
