package parts

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/humanize"
)

func newFetchCommand(f *factory.Factory) *cobra.Command {
	opts := newOptions(f)
	cmd := &cobra.Command{
		Use:   "fetch",
		Short: "Bring the parts that the cache lacks, and verify them",
		Long: `Bring the parts that the cache lacks, from where the lock file says, or from a
folder or a tar file that holds them in whatever order: a file is known by its
digest. The proxy that HTTPS_PROXY names is respected.`,
		Example: `  gmctl parts fetch
  gmctl parts fetch --from /media/usb/parts.tar.gz`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return fetch(cmd.Context(), opts) },
	}
	cmd.Flags().StringVar(&opts.From, "from", "", "`folder` or tar file to take them from, instead of the network")
	_ = cmd.MarkFlagFilename("from")
	return cmd
}

func fetch(ctx context.Context, opts *Options) error {
	lock, store, err := opts.open()
	if err != nil {
		return err
	}
	store.Progress = func(done, total int, file string) {
		fmt.Fprintf(opts.IO.Err, "%d of %d: %s\n", done, total, file)
	}
	var brought int
	if opts.From != "" {
		brought, err = store.Fill(lock, opts.From)
	} else {
		brought, err = store.Fetch(ctx, lock)
	}
	if err != nil {
		return err
	}
	if brought == 0 {
		fmt.Fprintln(opts.IO.Err, "nothing to fetch: all parts are in "+store.Dir)
		return nil
	}
	fmt.Fprintf(opts.IO.Err, "brought %s into %s\n", humanize.Plural(brought, "file"), store.Dir)
	return nil
}
