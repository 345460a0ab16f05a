// Package docs writes the parts of docs/ that derive from the code: a page for
// each command, the configuration and its JSON Schema. `make docs` runs it; a
// test says when a page is out of date.
package docs

import (
	"fmt"
	"path"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/cli/root"
	"github.com/gamemetrics/gmctl/internal/config/reference"
	"github.com/gamemetrics/gmctl/internal/iostreams"
)

//go:generate go run ./generate ../../..

const generated = "<!-- Written by make docs from the code. -->\n\n"

// Files returns the generated files by their path below docs/. configDir is the
// folder of internal/config, whose comments become descriptions.
func Files(configDir string) (map[string][]byte, error) {
	files := map[string][]byte{}
	streams, _, _, _ := iostreams.Test()
	gmctl := root.NewCommand(factory.New(streams))
	files["commands/README.md"] = index(gmctl)
	for _, cmd := range gmctl.Commands() {
		if cmd.IsAvailableCommand() {
			files[path.Join("commands", cmd.Name()+".md")] = page(cmd)
		}
	}
	config, err := reference.Read(configDir)
	if err != nil {
		return nil, err
	}
	if files["configuration.md"], err = config.Markdown(); err != nil {
		return nil, err
	}
	files["gmctl.schema.json"], err = config.Schema()
	return files, err
}

// index is the list of commands by their group, and the flags they share.
func index(gmctl *cobra.Command) []byte {
	var b strings.Builder
	b.WriteString(generated + "# Commands\n\n" + gmctl.Long + "\n")
	for _, group := range gmctl.Groups() {
		fmt.Fprintf(&b, "\n## %s\n\n| command | |\n|---|---|\n", strings.TrimSuffix(group.Title, ":"))
		for _, cmd := range gmctl.Commands() {
			if cmd.GroupID == group.ID && cmd.IsAvailableCommand() {
				rows(&b, cmd, cmd.Name()+".md")
			}
		}
	}
	b.WriteString("\n## Flags of every command\n\n")
	flagTable(&b, gmctl.PersistentFlags())
	return []byte(b.String())
}

// rows lists cmd, or what is below it where it only holds others.
func rows(b *strings.Builder, cmd *cobra.Command, file string) {
	if cmd.Runnable() {
		fmt.Fprintf(b, "| [`%s`](%s#%s) | %s |\n", cmd.CommandPath(), file, anchor(cmd), cmd.Short)
	}
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			rows(b, sub, file)
		}
	}
}

// anchor is the fragment that Markdown renderers give a command's heading.
func anchor(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// page is a command with everything below it.
func page(cmd *cobra.Command) []byte {
	var b strings.Builder
	b.WriteString(generated)
	section(&b, cmd, "#")
	return []byte(b.String())
}

func section(b *strings.Builder, cmd *cobra.Command, heading string) {
	about := cmd.Long
	if about == "" {
		about = cmd.Short + "."
	}
	fmt.Fprintf(b, "%s %s\n\n%s\n", heading, cmd.CommandPath(), about)
	if cmd.Runnable() {
		fmt.Fprintf(b, "\n```\n%s\n```\n", cmd.UseLine())
	}
	if len(cmd.Aliases) > 0 {
		fmt.Fprintf(b, "\nAlso: `%s`\n", strings.Join(cmd.Aliases, "`, `"))
	}
	if cmd.Example != "" {
		fmt.Fprintf(b, "\nExamples:\n\n```sh\n%s\n```\n", strings.ReplaceAll(strings.TrimPrefix(cmd.Example, "  "), "\n  ", "\n"))
	}
	if cmd.LocalNonPersistentFlags().HasAvailableFlags() {
		b.WriteString("\nFlags:\n\n")
		flagTable(b, cmd.LocalNonPersistentFlags())
	}
	if cmd.PersistentFlags().HasAvailableFlags() {
		b.WriteString("\nFlags of these commands:\n\n")
		flagTable(b, cmd.PersistentFlags())
	}
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			b.WriteByte('\n')
			section(b, sub, "##")
		}
	}
}

func flagTable(b *strings.Builder, flags *pflag.FlagSet) {
	b.WriteString("| flag | |\n|---|---|\n")
	flags.VisitAll(func(flag *pflag.Flag) {
		if flag.Hidden || flag.Name == "help" {
			return
		}
		value, usage := pflag.UnquoteUsage(flag)
		name := "--" + flag.Name
		if flag.Shorthand != "" {
			name = "-" + flag.Shorthand + ", " + name
		}
		if value != "" {
			name += " " + value
		}
		if preset := flag.DefValue; preset != "" && preset != "false" && preset != "[]" && preset != "0" && preset != "0s" && !strings.Contains(usage, "(default") {
			usage += " (default " + preset + ")"
		}
		fmt.Fprintf(b, "| `%s` | %s |\n", name, strings.ReplaceAll(usage, "|", `\|`))
	})
}
