// Package passage is `gmctl serve passage`: a way to the database of a cluster, for
// the gmctl that has it run there. Nobody types it.
package passage

import (
	"context"
	"net"

	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/cli/flagenv"
	"github.com/gamemetrics/gmctl/internal/cli/serve/service"
	"github.com/gamemetrics/gmctl/internal/passage"
	"github.com/gamemetrics/gmctl/internal/postgres"
)

// NewCommand returns `gmctl serve passage`.
func NewCommand(f *factory.Factory) *cobra.Command {
	opts := &service.Options{}
	cmd := &cobra.Command{
		Use:   "passage",
		Short: "Carry connections from a cluster to its database",
		Long: `Carry connections to the host and port of the database until told to stop. gmctl
has this run in a pod where the database has no address outside the cluster, and
talks to it through the Kubernetes API; it is given no password.

` + service.Configuration,
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := opts.Complete(cmd, f); err != nil {
				return err
			}
			return run(cmd.Context(), opts)
		},
	}
	opts.Define(cmd.Flags(), service.Purpose{Port: passage.Port, Listens: "be called on", Database: "lead to"})
	flagenv.Bind(cmd.Flags())
	return cmd
}

func run(ctx context.Context, opts *service.Options) error {
	log, err := opts.Logger()
	if err != nil {
		return err
	}
	database, err := postgres.Address(opts.DatabaseURL)
	if err != nil {
		return err
	}
	listener, err := opts.Listener(ctx)
	if err != nil {
		return err
	}
	log.Info("the passage is open", "address", listener.Addr().String(), "to", database)
	return passage.Serve(ctx, listener, func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", database)
	})
}
