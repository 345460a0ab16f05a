package nodes

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/capacity"
	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/environment"
	"github.com/gamemetrics/gmctl/internal/humanize"
	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/kube"
	"github.com/gamemetrics/gmctl/internal/render"
)

// Lister is what knows the nodes.
type Lister interface {
	Nodes(context.Context) ([]kube.Node, error)
	PodsByNode(context.Context) (map[string]int, error)
}

type listOptions struct {
	IO      *iostreams.IOStreams
	EnvName string
	Open    func(context.Context) (Lister, error)
	Output  render.Format
}

// Document is the data of a document of the kind Nodes.
type Document struct {
	Environment string `json:"environment"`
	Nodes       []Node `json:"nodes"`
}

// Node is one node of the document.
type Node struct {
	Name            string `json:"name"`
	Group           string `json:"group"` // as gmctl.yaml calls it
	EKSGroup        string `json:"eksGroup"`
	InstanceType    string `json:"instanceType"`
	Zone            string `json:"zone"`
	Version         string `json:"version"`
	Ready           bool   `json:"ready"`
	Why             string `json:"why,omitempty"` // it is not
	Cordoned        bool   `json:"cordoned"`
	Pods            int    `json:"pods"`
	AllocatablePods int64  `json:"allocatablePods"`
	MilliCPU        int64  `json:"allocatableMilliCPU"`
	Memory          int64  `json:"allocatableMemoryBytes"`
}

func newListCommand(f *factory.Factory) *cobra.Command {
	opts := &listOptions{IO: f.IO}
	opts.Open = func(ctx context.Context) (Lister, error) {
		env, err := f.Environment(environment.Options{})
		if err != nil {
			return nil, err
		}
		return env.Nodes(ctx)
	}
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the nodes by group, with version, health and pods",
		Example: `  gmctl nodes list -e dev
  gmctl nodes list -e dev -o json | jq '.data.nodes[] | select(.ready | not)'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			opts.EnvName = f.EnvName
			return list(cmd.Context(), opts)
		},
	}
	render.FormatFlag(cmd, &opts.Output)
	return cmd
}

func list(ctx context.Context, opts *listOptions) error {
	lister, err := opts.Open(ctx)
	if err != nil {
		return err
	}
	nodes, err := lister.Nodes(ctx)
	if err != nil {
		return err
	}
	pods, err := lister.PodsByNode(ctx)
	if err != nil {
		return err
	}
	document := Document{Environment: opts.EnvName, Nodes: []Node{}}
	for _, node := range nodes {
		document.Nodes = append(document.Nodes, Node{
			Name: node.Name, Group: cmp.Or(node.Labels[capacity.NodeGroupLabel], node.Group), EKSGroup: node.Group,
			InstanceType: node.InstanceType, Zone: node.Zone, Version: strings.TrimPrefix(node.Version, "v"),
			Ready: node.Ready, Why: node.Why, Cordoned: node.Cordoned, Pods: pods[node.Name],
			AllocatablePods: node.Allocatable.Pods, MilliCPU: node.Allocatable.MilliCPU, Memory: node.Allocatable.Memory,
		})
	}
	slices.SortStableFunc(document.Nodes, func(a, b Node) int {
		return cmp.Or(strings.Compare(a.Group, b.Group), strings.Compare(a.EKSGroup, b.EKSGroup))
	})
	if opts.Output != render.Table {
		return render.Document(opts.IO.Out, opts.Output, "Nodes", document)
	}
	table := render.NewTable(opts.IO, "GROUP", "NODE", "TYPE", "ZONE", "VERSION", "STATE", "PODS", "CPU", "MEMORY")
	group := ""
	for _, node := range document.Nodes {
		title := ""
		if node.Group != group {
			group, title = node.Group, node.Group
		}
		table.Row(table.Paint(iostreams.Bold, title), node.Name, node.InstanceType, node.Zone, node.Version, state(table, node),
			fmt.Sprintf("%d/%d", node.Pods, node.AllocatablePods), fmt.Sprintf("%.2f", float64(node.MilliCPU)/1000), humanize.Bytes(node.Memory))
	}
	return table.Flush()
}

func state(table *render.TableWriter, node Node) string {
	switch {
	case !node.Ready:
		return table.Paint(iostreams.Red, "not ready: "+render.OneLine(node.Why))
	case node.Cordoned:
		return table.Paint(iostreams.Yellow, "cordoned")
	}
	return table.Paint(iostreams.Green, "ready")
}
