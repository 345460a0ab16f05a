package oci_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gamemetrics/gmctl/internal/oci"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/testenv/binary"
)

var (
	amd64 = []string{"GOOS=linux", "GOARCH=amd64"}
	arm64 = []string{"GOOS=linux", "GOARCH=arm64"}
)

func TestInspectRefuses(t *testing.T) {
	script := filepath.Join(t.TempDir(), "gmctl")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, path, says, next string }{
		{"macOS", binary.Tiny(t, script+"-darwin", []string{"GOOS=darwin", "GOARCH=arm64"}), "it is for darwin/arm64", "folder with Linux binaries"},
		{"Windows", binary.Tiny(t, script+".exe", []string{"GOOS=windows", "GOARCH=amd64"}), "it is for windows/amd64", "folder with Linux binaries"},
		{"a processor that images are not made for", binary.Tiny(t, script+"-386", []string{"GOOS=linux", "GOARCH=386"}), "it is for linux/386", "folder with Linux binaries"},
		{"one with a dynamic loader", binary.Tiny(t, script+"-pie", amd64, "-buildmode=pie"), "dynamically linked", "make build"},
		{"a script", script, "no program built with Go", "folder with Linux binaries"},
		{"nothing", script + "-none", "no such file", "folder with Linux binaries"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := oci.Inspect(c.path)
			p := problem.From(err)
			if p == nil || p.Kind != problem.Usage || !strings.Contains(err.Error(), c.says) || !strings.Contains(p.Next, c.next) {
				t.Errorf("%v; next: %+v", err, p)
			}
		})
	}
}

// As goreleaser leaves them.
func TestFindBinaries(t *testing.T) {
	dist := t.TempDir()
	for name, env := range map[string][]string{
		"gmctl_linux_amd64_v1/gmctl": amd64, "gmctl_linux_arm64_v8.0/gmctl": arm64, "gmctl_darwin_arm64_v8.0/gmctl": {"GOOS=darwin", "GOARCH=arm64"},
	} {
		binary.Tiny(t, filepath.Join(dist, filepath.FromSlash(name)), env)
	}
	if err := os.WriteFile(filepath.Join(dist, "gmctl_1.2.3_linux_amd64.cdx.json"), []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}
	found, err := oci.FindBinaries(dist)
	if err != nil || len(found) != 2 || found[0].Platform() != "linux/amd64" || found[1].Platform() != "linux/arm64" {
		t.Fatalf("%+v, %v", found, err)
	}
	binary.Tiny(t, filepath.Join(dist, "gmctl"), arm64)
	if _, err := oci.FindBinaries(dist); err == nil || !strings.Contains(err.Error(), "are both for linux/arm64") {
		t.Errorf("two for a platform: %v", err)
	}
}

func TestFindNoBinaries(t *testing.T) {
	empty := t.TempDir()
	if _, err := oci.FindBinaries(empty); err == nil || !strings.Contains(err.Error(), "none in "+empty+" is for Linux") {
		t.Errorf("an empty folder: %v", err)
	}
	if _, err := oci.FindBinaries(empty + "/none"); err == nil || problem.From(err).Next == "" {
		t.Errorf("no folder: %v", err)
	}
	binary.Tiny(t, filepath.Join(empty, "gmctl"), amd64, "-buildmode=pie")
	if _, err := oci.FindBinaries(empty); err == nil || !strings.Contains(err.Error(), "dynamically linked") {
		t.Errorf("a folder with an unfit one: %v", err)
	}
}
