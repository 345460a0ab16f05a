package parts

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/parts"
	"github.com/gamemetrics/gmctl/internal/render"
)

// Document is the data of a document of the kind Parts.
type Document struct {
	Cache string `json:"cache"` // the folder they are kept in
	Parts []Part `json:"parts"`
}

// Part is one third-party component.
type Part struct {
	Name      string   `json:"name"`
	Version   string   `json:"version"`
	Namespace string   `json:"namespace"`
	URL       string   `json:"url"`
	Images    []string `json:"images"` // what its pods run
	Files     []File   `json:"files"`

	remote bool
}

// File is one manifest of a part.
type File struct {
	Name   string      `json:"name"`
	SHA256 string      `json:"sha256"`
	State  parts.State `json:"state"` // in the cache: present, absent or altered
}

func newListCommand(f *factory.Factory) *cobra.Command {
	opts := newOptions(f)
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the parts, their versions, and whether the cache holds them",
		Example: `  gmctl parts list
  gmctl parts list -o json | jq -r '.data.parts[].images[]'   # for a registry mirror`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return list(opts) },
	}
	render.FormatFlag(cmd, &opts.Output)
	return cmd
}

func list(opts *Options) error {
	lock, store, err := opts.open()
	if err != nil {
		return err
	}
	document := Document{Cache: store.Dir, Parts: []Part{}}
	for _, part := range lock.Parts {
		states, err := store.States(part)
		if err != nil {
			return err
		}
		listed := Part{remote: part.Remote(), Name: part.Name, Version: part.Version, Namespace: part.Namespace, URL: part.URL, Images: part.Images, Files: []File{}}
		for i, file := range part.Files {
			listed.Files = append(listed.Files, File{Name: file.Name, SHA256: file.SHA256, State: states[i]})
		}
		document.Parts = append(document.Parts, listed)
	}
	if opts.Output != render.Table {
		return render.Document(opts.IO.Out, opts.Output, "Parts", document)
	}
	table := render.NewTable(opts.IO, "PART", "VERSION", "NAMESPACE", "FILES", "IN THE CACHE")
	table.AlignRight(3)
	for _, part := range document.Parts {
		table.Row(part.Name, part.Version, part.Namespace, fmt.Sprint(len(part.Files)), part.summary())
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(opts.IO.Err, opts.IO.Paint(iostreams.Faint, "the cache is "+store.Dir))
	return nil
}

// summary says in a word or two what of the part the cache holds.
func (p Part) summary() string {
	if !p.remote {
		return "in the manifests"
	}
	count := make(map[parts.State]int)
	for _, file := range p.Files {
		count[file.State]++
	}
	switch {
	case count[parts.Altered] > 0:
		return fmt.Sprintf("%d altered", count[parts.Altered])
	case count[parts.Absent] == len(p.Files):
		return "no"
	case count[parts.Absent] > 0:
		return fmt.Sprintf("%d missing", count[parts.Absent])
	}
	return "yes"
}
