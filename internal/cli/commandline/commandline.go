// Package commandline tells a command line back, for the journal and for whom
// a lock keeps waiting.
package commandline

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Of returns the command line that cmd was called with: its path, the flags
// that were given in alphabetical order, and its arguments.
func Of(cmd *cobra.Command, args []string) string {
	words := []string{cmd.CommandPath()}
	cmd.Flags().Visit(func(flag *pflag.Flag) {
		value := flag.Value.String()
		if list, ok := flag.Value.(pflag.SliceValue); ok {
			value = strings.Join(list.GetSlice(), ",")
		}
		switch {
		case flag.Value.Type() == "bool" && value == "true":
			words = append(words, "--"+flag.Name)
		default:
			words = append(words, "--"+flag.Name+"="+quote(value))
		}
	})
	for _, arg := range args {
		words = append(words, quote(arg))
	}
	return strings.Join(words, " ")
}

// quote quotes a word that a shell would split.
func quote(word string) string {
	if word != "" && !strings.ContainsAny(word, " \t\n\"'\\$`;&|<>()*?!") {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
