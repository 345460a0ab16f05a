// Package binary builds programs for tests of what becomes of programs: put
// into images, pushed, started somewhere else.
package binary

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Gmctl builds gmctl as a release does: static, for this machine's platform.
func Gmctl(t testing.TB) string {
	t.Helper()
	return build(t, filepath.Join(t.TempDir(), "gmctl"), "github.com/gamemetrics/gmctl/cmd/gmctl", []string{"CGO_ENABLED=0"}, "-trimpath", "-ldflags", "-s -w")
}

// Tiny builds a program that does nothing, in little time for any platform, to
// the path to. env names the platform, as GOOS=… and GOARCH=…; flags are go
// build's.
func Tiny(t testing.TB, to string, env []string, flags ...string) string {
	t.Helper()
	source := filepath.Join(t.TempDir(), "main.go")
	if err := os.WriteFile(source, []byte("package main\n\nfunc main() {}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	return build(t, to, source, append([]string{"CGO_ENABLED=0"}, env...), append([]string{"-trimpath"}, flags...)...)
}

func build(t testing.TB, to, source string, env []string, flags ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append(append([]string{"build", "-o", to}, flags...), source)...)
	cmd.Env = append(os.Environ(), env...)
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, output)
	}
	return to
}
