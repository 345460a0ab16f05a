package testenv

import (
	"errors"
	"os"
	"path/filepath"
)

// Root returns the folder of the repository that the working directory is in,
// which for a test is the folder of its package.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "tools", "controlplane", "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("the working directory is not inside gmctl's repository")
		}
		dir = parent
	}
}
