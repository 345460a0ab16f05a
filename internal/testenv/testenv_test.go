package testenv_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/gamemetrics/gmctl/internal/testenv"
)

// recorder notes how a test would have ended.
type recorder struct {
	testing.TB
	outcome string
}

func (r *recorder) Helper()           {}
func (r *recorder) Skip(args ...any)  { r.end("skip: ", args) }
func (r *recorder) Fatal(args ...any) { r.end("fail: ", args) }

// end keeps the first outcome: a real test goes no further.
func (r *recorder) end(how string, args []any) {
	if r.outcome == "" {
		r.outcome = how + fmt.Sprint(args...)
	}
}

func TestRequire(t *testing.T) {
	missing := errors.New("java is not on PATH")
	for _, c := range []struct {
		required string
		err      error
		want     string
	}{
		{"", nil, ""},
		{"all", nil, ""},
		{"", missing, "skip: needs kafka: java is not on PATH"},
		{"postgres", missing, "skip: "},
		{"all", missing, "fail: "},
		{"postgres, kafka", missing, "fail: "},
	} {
		t.Run(fmt.Sprintf("%q %v", c.required, c.err), func(t *testing.T) {
			t.Setenv(testenv.RequireVariable, c.required)
			r := &recorder{TB: t}
			testenv.Require(r, testenv.Kafka, c.err)
			if !strings.HasPrefix(r.outcome, c.want) || (c.want == "") != (r.outcome == "") {
				t.Errorf("got %q, want %q", r.outcome, c.want)
			}
			if c.want != "" && !strings.Contains(r.outcome, "apt-get install openjdk") {
				t.Errorf("it does not say how to get it: %q", r.outcome)
			}
		})
	}
}
