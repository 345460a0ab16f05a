package problem_test

import (
	"errors"
	"testing"

	"github.com/gamemetrics/gmctl/internal/problem"
)

func TestAddressed(t *testing.T) {
	for next, want := range map[string]string{
		"run it again: gmctl teardown":                              "run it again: gmctl teardown -e dev",
		"push it: gmctl up --only image":                            "push it: gmctl up -e dev --only image",
		"see what they say: gmctl nodes list":                       "see what they say: gmctl nodes list -e dev",
		"mend it, then run gmctl up again":                          "mend it, then run gmctl up -e dev again",
		"run: gmctl up --env=dev --yes (it goes on)":                "run: gmctl up --env=dev --yes (it goes on)",
		"gmctl plan -e dev; or gmctl up --force":                    "gmctl plan -e dev; or gmctl up -e dev --force",
		"see gmctl logs, gmctl history show 7 and gmctl parts list": "see gmctl logs -e dev, gmctl history show -e dev 7 and gmctl parts list",
		"see which there are: gmctl schemas list --all":             "see which there are: gmctl schemas list -e dev --all",
		"gmctl upwards": "gmctl upwards",
		"":              "",
	} {
		p := &problem.Error{What: "it failed", Next: next, Kind: problem.Locked}
		if got := problem.Addressed(p, "dev"); got.Next != want || got.What != p.What || got.Kind != p.Kind || p.Next != next {
			t.Errorf("%q became %q, not %q", next, got.Next, want)
		}
	}
	cause := &problem.Error{What: "no image", Next: "push it: gmctl up --only image"}
	p := &problem.Error{What: "apps failed", Cause: errors.Join(cause)}
	if got := problem.Addressed(p, "dev"); got.Next != "push it: gmctl up -e dev --only image" || cause.Next != "push it: gmctl up --only image" {
		t.Errorf("%+v", got)
	}
	if problem.Addressed(nil, "dev") != nil {
		t.Error("nil became something")
	}
}
