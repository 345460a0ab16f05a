package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gamemetrics/gmctl/internal/problem"
)

func TestEdit(t *testing.T) {
	const around = "# ours\napiVersion: gmctl/v1\nenvironments:\n  dev: # the first\n    provider: aws\n    aws:\n      region: eu-central-1\n"
	version := []string{"environments", "dev", "aws", "kubernetes", "version"}
	for _, c := range []struct {
		name, before, value string
		keys                []string
		after               string // empty: refused
	}{
		{"in double quotes", around + "      kubernetes:\n        # raised by upgrade\n        version: \"1.34\" # for now\n", "1.35", version,
			around + "      kubernetes:\n        # raised by upgrade\n        version: \"1.35\" # for now\n"},
		{"in single quotes", around + "      kubernetes: {version: '1.34'}\n", "1.35", version, around + "      kubernetes: {version: '1.35'}\n"},
		{"after an umlaut", around + "      nodeGroups: {data: {instanceType: t3.large}} # größer\n", "m7i.large", []string{"environments", "dev", "aws", "nodeGroups", "data", "instanceType"},
			around + "      nodeGroups: {data: {instanceType: m7i.large}} # größer\n"},
		{"not there, its section is", around + "      kubernetes:\n        publicAccess: [10.0.0.0/8]\n", "1.35", version,
			around + "      kubernetes:\n        version: \"1.35\"\n        publicAccess: [10.0.0.0/8]\n"},
		{"its section is empty", around + "      kubernetes:\n        # version: \"1.34\"\n", "1.35", version,
			around + "      kubernetes:\n        version: \"1.35\"\n        # version: \"1.34\"\n"},
		{"no section", around, "1.35", version,
			strings.Replace(around, "    aws:\n", "    aws:\n      kubernetes:\n        version: \"1.35\"\n", 1)},
		{"with the line ends of Windows", strings.ReplaceAll(around+"      kubernetes:\n        version: \"1.34\"\n", "\n", "\r\n"), "1.35", version,
			strings.ReplaceAll(around+"      kubernetes:\n        version: \"1.35\"\n", "\n", "\r\n")},
		{"not valid afterwards", around + "      kubernetes:\n        version: \"1.34\"\n", "new", version, ""},
		{"its section is in one line", around + "      kubernetes: {publicAccess: [10.0.0.0/8]}\n", "1.35", version, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), FileName)
			if err := os.WriteFile(path, []byte(c.before), 0o644); err != nil {
				t.Fatal(err)
			}
			err := Edit(path, c.value, c.keys...)
			after, readErr := os.ReadFile(path)
			if readErr != nil {
				t.Fatal(readErr)
			}
			if c.after == "" {
				if err == nil || problem.From(err).Next == "" || string(after) != c.before {
					t.Errorf("%v\n%s", err, after)
				}
				return
			}
			if err != nil || string(after) != c.after {
				t.Errorf("%v\n%q\nwant\n%q", err, after, c.after)
			}
		})
	}
}

func TestEditWithoutAFile(t *testing.T) {
	err := Edit("", "1.35", "environments", "dev", "aws", "kubernetes", "version")
	if p := problem.From(err); p == nil || !strings.Contains(p.Next, "environments.dev.aws.kubernetes.version: 1.35") {
		t.Errorf("%v", err)
	}
}
