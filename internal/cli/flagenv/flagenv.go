// Package flagenv lets environment variables stand in for flags that are not
// given: --max-age is GMCTL_MAX_AGE. Services are configured so in containers.
package flagenv

import (
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// annotation marks the flags that have a variable, and names it.
const annotation = "gmctl-environment-variable"

// Variable returns the name of the variable that stands in for a flag.
func Variable(flag string) string {
	return "GMCTL_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// Bind gives each flag that is defined so far its variable, and names it in the
// flag's help.
func Bind(flags *pflag.FlagSet) {
	flags.VisitAll(func(flag *pflag.Flag) {
		if _, bound := flag.Annotations[annotation]; bound {
			return
		}
		variable := Variable(flag.Name)
		flag.Usage += " [$" + variable + "]"
		if flag.Annotations == nil {
			flag.Annotations = map[string][]string{}
		}
		flag.Annotations[annotation] = []string{variable}
	})
}

// Apply sets the bound flags that the command line did not set from their
// variables; an empty variable counts as none. Its error is a *problem.Error of
// kind Usage that names the variable.
func Apply(flags *pflag.FlagSet, getenv func(string) string) error {
	var failed error
	flags.VisitAll(func(flag *pflag.Flag) {
		bound := flag.Annotations[annotation]
		if failed != nil || len(bound) == 0 || flag.Changed {
			return
		}
		value := getenv(bound[0])
		if value == "" {
			return
		}
		if err := flags.Set(flag.Name, value); err != nil {
			failed = &problem.Error{
				What:  fmt.Sprintf("the environment variable %s has a value that --%s does not take", bound[0], flag.Name),
				Cause: err,
				Next:  fmt.Sprintf("set it to a %s, or unset it", flag.Value.Type()),
				Kind:  problem.Usage,
			}
		}
	})
	return failed
}
