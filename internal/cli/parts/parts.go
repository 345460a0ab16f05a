// Package parts is `gmctl parts`: the third-party manifests that gmctl installs,
// pinned by their digests, and the cache they are kept in.
package parts

import (
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/parts"
	"github.com/gamemetrics/gmctl/internal/paths"
	"github.com/gamemetrics/gmctl/internal/render"
	"github.com/gamemetrics/gmctl/k8s"
)

// Options are what the commands work with.
type Options struct {
	IO    *iostreams.IOStreams
	Lock  func() (*parts.Lock, error)
	Store func() (parts.Store, error)

	Output render.Format
	From   string // a folder or tar file; empty: from where the lock says
}

// NewCommand returns `gmctl parts`.
func NewCommand(f *factory.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "parts",
		Short: "Fetch and verify the third-party manifests that gmctl installs",
		Long: `Fetch and verify the third-party manifests that gmctl installs: the operators
that run Kafka and the like. Each file is pinned by its digest in the lock file of
the Kubernetes manifests, ` + parts.LockFile + `, and kept in gmctl's cache. ` + "`gmctl up`" + `
fetches what is missing there by itself.

Where a machine has no way to them, take the cache of one that has:

  gmctl parts fetch && tar -C ~/.cache/gmctl -czf parts.tar.gz parts
  gmctl parts fetch --from parts.tar.gz      # on the other one`,
		Example: `  gmctl parts list
  gmctl parts fetch
  gmctl parts verify`,
		Args: cobra.NoArgs,
	}
	cmd.AddCommand(newListCommand(f), newFetchCommand(f), newVerifyCommand(f))
	return cmd
}

func newOptions(f *factory.Factory) *Options {
	return &Options{
		IO: f.IO,
		Lock: func() (*parts.Lock, error) {
			tree, err := manifests(f)
			if err != nil {
				return nil, err
			}
			return parts.ReadLock(tree)
		},
		Store: func() (parts.Store, error) {
			dirs, err := paths.For(f.EnvName)
			return parts.Store{Dir: filepath.Join(dirs.Cache, "parts")}, err
		},
	}
}

// manifests are those of the environment.
func manifests(f *factory.Factory) (fs.FS, error) {
	cfg, err := f.Config()
	if err != nil {
		return nil, err
	}
	if folder := cfg.Environments[f.EnvName].AWS.Manifests; folder != "" {
		return os.DirFS(folder), nil
	}
	return k8s.Tree, nil
}

// open returns the lock and the store.
func (o *Options) open() (*parts.Lock, parts.Store, error) {
	lock, err := o.Lock()
	if err != nil {
		return nil, parts.Store{}, err
	}
	store, err := o.Store()
	return lock, store, err
}
