//go:build unix

package environment_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// CONTRIBUTING.md says that a stage is one package and one line. Here its example
// is added to gmctl as it stands there, and used.
func TestTheRecipeOfContributing(t *testing.T) {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	text := read(t, filepath.Join(root, "CONTRIBUTING.md"))
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(text, -1)
	if len(blocks) != 2 {
		t.Fatalf("%d blocks of Go in CONTRIBUTING.md, not 2", len(blocks))
	}
	stage, line := blocks[0][1], blocks[1][1]

	environment := read(t, filepath.Join(root, "internal", "environment", "local.go"))
	const first, imports = `		{Name: "supervisor",`, `	"github.com/gamemetrics/gmctl/internal/stage/component"` + "\n"
	if !strings.Contains(environment, first) || !strings.Contains(environment, imports) {
		t.Fatal("local.go has another form than it had")
	}
	environment = strings.Replace(environment, first, "\t\t"+line+first, 1)
	environment = strings.Replace(environment, imports, imports+`	"github.com/gamemetrics/gmctl/internal/stage/motd"`+"\n", 1)

	dir := t.TempDir()
	gmctl := buildOver(t, root, dir, map[string]string{
		"internal/stage/motd/motd.go": stage, "internal/environment/local.go": environment,
	})
	run := func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), gmctl, args...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "HOME="+dir, "XDG_STATE_HOME=", "XDG_DATA_HOME=", "XDG_CONFIG_HOME=", "XDG_CACHE_HOME=")
		output, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("gmctl %s: %v\n%s", strings.Join(args, " "), err, output)
		}
		return string(output)
	}
	if plan := run("plan", "--only", "motd"); !strings.Contains(plan, "create  message of the day") {
		t.Errorf("the plan does not have it:\n%s", plan)
	}
	run("up", "--only", "supervisor,motd")
	if left := read(t, filepath.Join(dir, ".local", "state", "gmctl", "local", "motd")); left != "be kind to this database" {
		t.Errorf("the message is %q", left)
	}
	if again := run("up", "--only", "supervisor,motd"); !strings.Contains(again, "nothing to change") {
		t.Errorf("once more:\n%s", again)
	}
	if history := run("history", "show"); !strings.Contains(history, "motd") {
		t.Errorf("the journal does not have it:\n%s", history)
	}
	if gone := run("teardown", "--yes"); !strings.Contains(gone, "message of the day") {
		t.Errorf("the teardown does not have it:\n%s", gone)
	}
}

// buildOver builds gmctl with other or further files, which are written nowhere in
// the repository.
func buildOver(t *testing.T, root, dir string, files map[string]string) string {
	t.Helper()
	replaced := map[string]string{}
	for name, content := range files {
		path := filepath.Join(dir, strings.ReplaceAll(name, "/", "-"))
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		replaced[filepath.Join(root, filepath.FromSlash(name))] = path
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replaced})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(path, overlay, 0o644); err != nil {
		t.Fatal(err)
	}
	gmctl := filepath.Join(dir, "gmctl")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-overlay", path, "-o", gmctl, "./cmd/gmctl")
	cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, output)
	}
	return gmctl
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
