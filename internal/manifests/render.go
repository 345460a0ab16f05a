package manifests

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// Render returns the objects of an overlay of tree ("overlays/dev/apps"), with
// the values laid over them, namespaces and definitions first, in the same order
// each time. Its error is a *problem.Error.
func Render(ctx context.Context, tree fs.FS, overlay string, values Values) ([]*unstructured.Unstructured, error) {
	if _, err := fs.Stat(tree, overlay); err != nil {
		return nil, noOverlay(tree, overlay, err)
	}
	objects, err := build(ctx, tree, overlay, values)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, &problem.Error{
			What: "the manifests in " + overlay + " cannot be rendered", Cause: err,
			Next: "mend the manifest that the cause names; `kustomize build` shows the same",
		}
	}
	if unknown := values.missing(objects); len(unknown) > 0 {
		return nil, &problem.Error{
			What:  "the manifests in " + overlay + " cannot be rendered yet",
			Cause: fmt.Errorf("not known: %s", strings.Join(unknown, ", ")),
			Next:  "apply the stages before it: gmctl up",
		}
	}
	for _, object := range objects {
		if err := stampConfig(object, objects, values.SecretVersions); err != nil {
			return nil, err
		}
	}
	return objects, nil
}

// noOverlay tells which overlays there are beside one that is not.
func noOverlay(tree fs.FS, overlay string, err error) error {
	next := "point `manifests` in gmctl.yaml at a folder made by gmctl eject"
	if entries, listErr := fs.ReadDir(tree, path.Dir(overlay)); listErr == nil {
		var names []string
		for _, entry := range entries {
			names = append(names, entry.Name())
		}
		next = path.Dir(overlay) + " holds " + strings.Join(names, ", ")
	}
	return &problem.Error{What: "there are no manifests in " + overlay, Cause: err, Next: next, Kind: problem.Usage}
}

// root is the folder that Kustomize builds; no base can have its name.
const root = ".gmctl"

func build(ctx context.Context, tree fs.FS, overlay string, values Values) ([]*unstructured.Unstructured, error) {
	files, err := inMemory(ctx, tree)
	if err != nil {
		return nil, err
	}
	kustomization, err := values.overlay(path.Join("..", overlay))
	if err != nil {
		return nil, err
	}
	text, err := yaml.Marshal(kustomization)
	if err != nil {
		return nil, err
	}
	if err := files.WriteFile(path.Join(root, "kustomization.yaml"), text); err != nil {
		return nil, err
	}
	options := krusty.MakeDefaultOptions()
	options.Reorder = krusty.ReorderOptionUnspecified // the kustomization says it
	built, err := krusty.MakeKustomizer(options).Run(files, root)
	if err != nil {
		return nil, err
	}
	objects := make([]*unstructured.Unstructured, 0, built.Size())
	for _, resource := range built.Resources() {
		text, err := resource.MarshalJSON()
		if err != nil {
			return nil, err
		}
		object := &unstructured.Unstructured{}
		if err := object.UnmarshalJSON(text); err != nil {
			return nil, err
		}
		objects = append(objects, object)
	}
	return objects, nil
}

// inMemory copies what Kustomize may read: it takes no fs.FS, and must not
// reach beyond the tree.
func inMemory(ctx context.Context, tree fs.FS) (filesys.FileSystem, error) {
	files := filesys.MakeFsInMemory()
	err := fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		if err := errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		if entry.IsDir() {
			if name != "." && strings.HasPrefix(entry.Name(), ".") { // .git
				return fs.SkipDir
			}
			return nil
		}
		if extension := path.Ext(name); extension != ".yaml" && extension != ".yml" {
			return nil
		}
		text, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		return files.WriteFile(name, text)
	})
	return files, err
}
