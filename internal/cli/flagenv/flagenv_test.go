package flagenv_test

import (
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/gamemetrics/gmctl/internal/cli/exitcode"
	"github.com/gamemetrics/gmctl/internal/cli/flagenv"
)

func TestApply(t *testing.T) {
	for _, test := range []struct {
		name     string
		args     []string
		variable string
		want     time.Duration
		fails    bool
	}{
		{"neither", nil, "", time.Hour, false},
		{"the variable", nil, "2h", 2 * time.Hour, false},
		{"the flag wins", []string{"--max-age=3h"}, "2h", 3 * time.Hour, false},
		{"the flag wins over nonsense", []string{"--max-age=3h"}, "soon", 3 * time.Hour, false},
		{"nonsense", nil, "soon", 0, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
			age := flags.Duration("max-age", time.Hour, "oldest event")
			flagenv.Bind(flags)
			if err := flags.Parse(test.args); err != nil {
				t.Fatal(err)
			}
			err := flagenv.Apply(flags, func(name string) string {
				if name != "GMCTL_MAX_AGE" {
					t.Errorf("asked for %s", name)
				}
				return test.variable
			})
			if test.fails {
				if err == nil || !strings.Contains(err.Error(), "GMCTL_MAX_AGE") || exitcode.Of(err) != exitcode.Usage {
					t.Errorf("the error is %v", err)
				}
				return
			}
			if err != nil || *age != test.want {
				t.Errorf("max-age is %s, %v; want %s", *age, err, test.want)
			}
		})
	}
}

func TestBindNamesTheVariableOnce(t *testing.T) {
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	flags.Int("writers", 2, "writes at the same time")
	flagenv.Bind(flags)
	flagenv.Bind(flags)
	if help := flags.FlagUsages(); strings.Count(help, "[$GMCTL_WRITERS]") != 1 {
		t.Errorf("the help is %s", help)
	}
}
