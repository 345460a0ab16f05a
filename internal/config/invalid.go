package config

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// Finding is one thing that is wrong in a file, where it stands.
type Finding struct {
	Line, Column int    // from 1, in characters
	Length       int    // of the marked text, in characters
	Message      string // "unknown field \"prot\" in local.postgres"
	Suggestion   string // what was probably meant; may be empty
}

// InvalidError lists everything that is wrong in a file.
type InvalidError struct {
	Path     string
	Findings []Finding // in the order of the file

	lines []string
}

// Error prints every finding with its line of the file, marked:
//
//	gmctl.yaml:4:7: unknown field "prot" in local.postgres; did you mean "port"?
//	  4 | prot: 5432
//	      ^^^^
func (e *InvalidError) Error() string {
	var b strings.Builder
	for i, f := range e.Findings {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "%s:%d:%d: %s", e.Path, f.Line, f.Column, f.Message)
		if f.Suggestion != "" {
			fmt.Fprintf(&b, "; did you mean %q?", f.Suggestion)
		}
		b.WriteString(e.marked(f))
	}
	return b.String()
}

// marked returns the line of a finding without its indentation, and under it
// the mark. Runs of spaces are shown as one: what prints an error does so too.
func (e *InvalidError) marked(f Finding) string {
	if f.Line < 1 || f.Line > len(e.lines) {
		return ""
	}
	line := []rune(e.lines[f.Line-1])
	start := min(max(f.Column-1, 0), len(line))
	end := min(start+max(f.Length, 1), len(line))
	oneSpace := func(runes []rune) string { return strings.Join(strings.Fields(string(runes)), " ") }
	before, text := oneSpace(line[:start]), oneSpace(line)
	if text == "" {
		return ""
	}
	offset := len([]rune(before))
	if before != "" && start > 0 && line[start-1] == ' ' {
		offset++
	}
	gutter := "  " + strconv.Itoa(f.Line) + " | "
	return "\n" + gutter + text +
		"\n" + strings.Repeat(" ", len(gutter)+offset) + strings.Repeat("^", max(1, end-start))
}

// problem returns the error as a user reads it.
func (e *InvalidError) problem() error {
	slices.SortStableFunc(e.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	next := "correct it; docs/configuration.md lists every field"
	if len(e.Findings) == 1 && e.Findings[0].Suggestion != "" {
		next = fmt.Sprintf("write %q in line %d; docs/configuration.md lists every field", e.Findings[0].Suggestion, e.Findings[0].Line)
	}
	return &problem.Error{What: "the configuration " + e.Path + " is not valid", Cause: e, Next: next, Kind: problem.Usage}
}
