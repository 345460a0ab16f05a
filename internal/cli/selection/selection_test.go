package selection

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/engine"
)

var nodes = []engine.Node{{Name: "postgres", About: "the system of record"}, {Name: "kafka", About: "the event bus"}, {Name: "topics"}}

func run(t *testing.T, nodes func() ([]engine.Node, error), args ...string) (engine.Selection, string) {
	t.Helper()
	var selection engine.Selection
	var out strings.Builder
	root := &cobra.Command{Use: "gmctl"}
	up := &cobra.Command{Use: "up", Run: func(*cobra.Command, []string) {}}
	Flags(up, &selection, nodes)
	root.AddCommand(up)
	root.SetArgs(args)
	root.SetOut(&out)
	root.SetErr(io.Discard)
	if err := root.Execute(); err != nil {
		t.Fatal(err)
	}
	return selection, out.String()
}

func TestFlags(t *testing.T) {
	got, _ := run(t, nil, "up", "--only", "postgres,kafka", "--only=topics", "--skip", "smoke")
	want := engine.Selection{Only: []string{"postgres", "kafka", "topics"}, Skip: []string{"smoke"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestCompletion(t *testing.T) {
	known := func() ([]engine.Node, error) { return nodes, nil }
	for typed, want := range map[string]string{
		"":                "postgres\tthe system of record\nkafka\tthe event bus\ntopics\n:6\n",
		"po":              "postgres\tthe system of record\n:6\n",
		"kafka,":          "kafka,postgres\tthe system of record\nkafka,topics\n:6\n",
		"kafka,postgres,": "kafka,postgres,topics\n:6\n",
		"x":               ":6\n",
	} {
		if _, got := run(t, known, "__complete", "up", "--skip", typed); got != want {
			t.Errorf("%q is completed to\n%s\nwant\n%s", typed, got, want)
		}
	}
	broken := func() ([]engine.Node, error) { return nil, errors.New("no such environment") }
	if _, got := run(t, broken, "__complete", "up", "--only", ""); got != ":1\n" {
		t.Errorf("without an environment the answer is %q", got)
	}
}
