package commandline

import (
	"testing"

	"github.com/spf13/cobra"
)

func TestOf(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"up"}, "gmctl up"},
		{[]string{"up", "--skip", "smoke", "--skip=kafka,topics", "-y"}, "gmctl up --skip=smoke,kafka,topics --yes"},
		{[]string{"up", "-e", "my env", "a;b"}, "gmctl up --env='my env' 'a;b'"},
		{[]string{"up", "--yes=false"}, "gmctl up --yes=false"},
	} {
		got := ""
		root := &cobra.Command{Use: "gmctl"}
		root.PersistentFlags().StringP("env", "e", "local", "")
		up := &cobra.Command{Use: "up", Run: func(cmd *cobra.Command, args []string) { got = Of(cmd, args) }}
		up.Flags().StringSlice("skip", nil, "")
		up.Flags().BoolP("yes", "y", false, "")
		root.AddCommand(up)
		root.SetArgs(c.args)
		if err := root.Execute(); err != nil {
			t.Fatal(err)
		}
		if got != c.want {
			t.Errorf("%q: got %q, want %q", c.args, got, c.want)
		}
	}
}
