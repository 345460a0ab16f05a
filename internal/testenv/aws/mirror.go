package aws

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/gamemetrics/gmctl/internal/testenv"
)

// provider is where a mirror keeps the AWS provider, below its root: first the
// host of the registry that it mirrors.
const provider = "*/hashicorp/aws"

// Terraform has the test's terraform take the AWS provider from where the
// machine has it, or fetch it once per user from the public registry. A test
// that needs Terraform begins with it; it is skipped where there is none.
func Terraform(t *testing.T) {
	t.Helper()
	_, err := exec.LookPath("terraform")
	if err != nil {
		err = errors.New("terraform is not on PATH")
	}
	testenv.Require(t, testenv.Terraform, err)
	env, err := TerraformEnv(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range env {
		name, value, _ := strings.Cut(entry, "=")
		t.Setenv(name, value)
	}
}

// TerraformEnv returns the environment variables, as name=value, with which a
// terraform takes the AWS provider from where the machine has it, or fetches it
// once per user. What they name stands in dir.
func TerraformEnv(dir string) ([]string, error) {
	if _, err := os.Stat(os.Getenv("TF_CLI_CONFIG_FILE")); err == nil || os.Getenv("TF_PLUGIN_CACHE_DIR") != "" {
		return nil, nil // whoever set this knows where the provider is
	}
	if mirror, ok := findMirror(); ok {
		config := filepath.Join(dir, "terraform.rc")
		content := fmt.Sprintf("provider_installation {\n  filesystem_mirror {\n    path = %q\n  }\n}\n", mirror)
		return []string{"TF_CLI_CONFIG_FILE=" + config}, os.WriteFile(config, []byte(content), 0o600)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	cache = filepath.Join(cache, "gmctl", "testbed", "terraform-plugins")
	return []string{"TF_PLUGIN_CACHE_DIR=" + cache}, os.MkdirAll(cache, 0o755)
}

// findMirror looks where Terraform itself does, and in the folders where the
// people who set up machines tend to put one.
func findMirror() (root string, ok bool) {
	patterns := []string{
		"/opt/*", "/opt/*/*", "/srv/*", "/usr/share/terraform/*", "/usr/local/share/terraform/*", "/usr/lib/terraform/*",
	}
	if home, err := os.UserHomeDir(); err == nil {
		patterns = append([]string{filepath.Join(home, ".terraform.d", "*"), filepath.Join(home, ".local/share/terraform/*")}, patterns...)
	}
	for _, pattern := range patterns {
		found, _ := filepath.Glob(filepath.Join(pattern, filepath.FromSlash(provider))) // the patterns are well-formed
		for _, dir := range found {
			if holdsThisPlatform(dir) {
				return filepath.Clean(filepath.Join(dir, "..", "..", "..")), true
			}
		}
	}
	return "", false
}

// holdsThisPlatform reports whether the provider is there for this machine,
// unpacked or as the archive that the registry serves.
func holdsThisPlatform(dir string) bool {
	platform := runtime.GOOS + "_" + runtime.GOARCH
	errFound := errors.New("found")
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return filepath.SkipDir
		}
		name := filepath.Base(path)
		if matched, _ := filepath.Match("*_"+platform+".zip", name); matched || name == platform {
			return errFound
		}
		return nil
	})
	return errors.Is(err, errFound)
}
