package parts

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/cli/factory"
)

func newVerifyCommand(f *factory.Factory) *cobra.Command {
	opts := newOptions(f)
	return &cobra.Command{
		Use:   "verify",
		Short: "Compare every file of the cache with its digest",
		Long: `Compare every file of the cache with the digest in the lock file. gmctl does so
each time it uses one; this is for pipelines that want to know beforehand.`,
		Example: `  gmctl parts verify`,
		Args:    cobra.NoArgs,
		RunE:    func(*cobra.Command, []string) error { return verify(opts) },
	}
}

func verify(opts *Options) error {
	lock, store, err := opts.open()
	if err != nil {
		return err
	}
	if err := store.Verify(lock); err != nil {
		return err
	}
	fmt.Fprintln(opts.IO.Err, "every file is the one that is pinned")
	return nil
}
