// Package eject is `gmctl eject`: the files that gmctl carries, written out for
// those who want to own them.
package eject

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/humanize"
	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/k8s"
	"github.com/gamemetrics/gmctl/templates"
	"github.com/gamemetrics/gmctl/terraform"
)

// Options are what `gmctl eject` works with.
type Options struct {
	IO    *iostreams.IOStreams
	Dir   string
	Force bool // overwrite files that are there
	Trees []Tree
}

// Tree is written into a folder of its name.
type Tree struct {
	Name  string
	Files fs.FS
}

// NewCommand returns `gmctl eject`.
func NewCommand(f *factory.Factory) *cobra.Command {
	opts := &Options{IO: f.IO, Trees: []Tree{
		{Name: "k8s", Files: k8s.Tree},
		{Name: "terraform", Files: terraform.Tree},
		{Name: "templates", Files: templates.Tree()},
	}}
	cmd := &cobra.Command{
		Use:   "eject DIR",
		Short: "Write out the manifests, Terraform modules and templates that gmctl carries",
		Long: `Write the files that gmctl carries into a folder, for those who want to read or
own them:

  DIR/k8s         Kubernetes manifests, bases and overlays, for Kustomize
  DIR/terraform   Terraform modules, and the environments that compose them
  DIR/templates   what ` + "`gmctl init`" + ` makes a gmctl.yaml of

gmctl goes on with its own until gmctl.yaml names the manifests of an environment
on AWS:

  aws:
    manifests: DIR/k8s

Keep the folder in git: after an update of gmctl, gmctl eject DIR --force and
git diff show what it brings. --force overwrites the files that gmctl carries and
leaves all others.`,
		Example: `  gmctl eject platform
  gmctl eject platform --force && git diff platform`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			opts.Dir = args[0]
			return run(opts)
		},
	}
	cmd.Flags().BoolVar(&opts.Force, "force", false, "overwrite the files that are there")
	return cmd
}

func run(opts *Options) error {
	if !opts.Force {
		if err := opts.untouched(); err != nil {
			return err
		}
	}
	var written []string
	for _, tree := range opts.Trees {
		n, err := opts.write(tree)
		if err != nil {
			if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
				err = fmt.Errorf("%s: %w", pathErr.Path, pathErr.Err)
			}
			return &problem.Error{What: "not all files could be written", Cause: err, Next: "check the folder and its permissions, then: gmctl eject " + opts.Dir + " --force"}
		}
		written = append(written, fmt.Sprintf("%s (%s)", filepath.Join(opts.Dir, tree.Name), humanize.Plural(n, "file")))
	}
	fmt.Fprintf(opts.IO.Err, "wrote %s\nuse the manifests: in gmctl.yaml, set manifests: %s\n",
		strings.Join(written, ", "), filepath.ToSlash(filepath.Join(opts.Dir, opts.Trees[0].Name)))
	return nil
}

// untouched fails where something is that would be overwritten.
func (o *Options) untouched() error {
	for _, tree := range o.Trees {
		path := filepath.Join(o.Dir, tree.Name)
		if _, err := os.Lstat(path); err != nil {
			continue // if it is more than that it is not there, writing will tell
		}
		return &problem.Error{
			What: path + " is already there",
			Next: "overwrite what gmctl carries of it: gmctl eject " + o.Dir + " --force; or name another folder", Kind: problem.Usage,
		}
	}
	return nil
}

// write writes the files of a tree and returns how many they are.
func (o *Options) write(tree Tree) (files int, err error) {
	root := filepath.Join(o.Dir, tree.Name)
	err = fs.WalkDir(tree.Files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		path := filepath.Join(root, filepath.FromSlash(name))
		if entry.IsDir() {
			return os.MkdirAll(path, 0o755)
		}
		content, err := fs.ReadFile(tree.Files, name)
		if err != nil {
			return err
		}
		files++
		return os.WriteFile(path, content, 0o644)
	})
	return files, err
}
