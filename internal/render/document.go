// Package render turns data and engine events into what a user reads: tables,
// JSON and YAML documents on stdout; a live tree, plain lines or JSON lines of
// progress on stderr.
package render

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// APIVersion is the version of every document's schema (docs/output.md). A
// field is never removed or changed in meaning within a version.
const APIVersion = "gmctl/v1"

// Format is how data is printed.
type Format string

const (
	Table Format = "table"
	JSON  Format = "json"
	YAML  Format = "yaml"
)

var _ interface {
	String() string
	Set(string) error
	Type() string
} = (*Format)(nil)

func (f *Format) String() string { return string(*f) }

// Type names the value in help texts.
func (f *Format) Type() string { return "format" }

// Set accepts the name of a format.
func (f *Format) Set(name string) error {
	switch Format(name) {
	case Table, JSON, YAML:
		*f = Format(name)
		return nil
	}
	return fmt.Errorf("no such format: choose table, json or yaml")
}

// FormatFlag adds -o/--output to cmd.
func FormatFlag(cmd *cobra.Command, format *Format) {
	*format = Table
	cmd.Flags().VarP(format, "output", "o", "`format` of the data: table, json or yaml")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json", "yaml"}, cobra.ShellCompDirectiveNoFileComp))
}

// List is a list as documents have it: it is there also where it is empty.
func List[T any](list []T) []T { return append([]T{}, list...) }

// Document prints data as one JSON or YAML document with its API version and
// kind: {"apiVersion": …, "kind": …, "data": …}.
func Document(w io.Writer, format Format, kind string, data any) error {
	encoded, err := json.MarshalIndent(struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
		Data       any    `json:"data"`
	}{APIVersion, kind, data}, "", "  ")
	if err != nil {
		return &problem.Error{What: "the " + strings.ToLower(kind) + " could not be encoded", Cause: err}
	}
	if format == YAML {
		if encoded, err = yaml.JSONToYAML(encoded); err != nil {
			return &problem.Error{What: "the " + strings.ToLower(kind) + " could not be encoded", Cause: err}
		}
		_, err = w.Write(encoded)
		return err
	}
	_, err = fmt.Fprintf(w, "%s\n", encoded)
	return err
}
