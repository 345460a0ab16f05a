package duration_test

import (
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/gamemetrics/gmctl/internal/cli/duration"
)

func TestVar(t *testing.T) {
	var age, rest time.Duration
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	duration.Var(flags, &age, "age", 30*24*time.Hour, "how old")
	duration.Var(flags, &rest, "rest", 0, "how much longer")
	if usage := flags.FlagUsages(); age != 30*24*time.Hour || strings.Count(usage, "(default ") != 1 || !strings.Contains(usage, "how old (default 30d)") {
		t.Errorf("%s\n%s", age, usage)
	}
	if err := flags.Parse([]string{"--age=1d12h", "--rest", "90m"}); err != nil || age != 36*time.Hour || rest != 90*time.Minute {
		t.Errorf("%s, %s, %v", age, rest, err)
	}
	for value, says := range map[string]string{"-1h": "must not be negative", "2w": "is not a duration", "30": "is not a duration"} {
		if err := flags.Parse([]string{"--age=" + value}); err == nil || !strings.Contains(err.Error(), says) || age != 36*time.Hour {
			t.Errorf("%s: %v, %s", value, err, age)
		}
	}
}
