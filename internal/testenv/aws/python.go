//go:build unix

package aws

import (
	"context"
	"embed"

	"github.com/gamemetrics/gmctl/internal/testenv/python"
)

//go:embed requirements.txt
var requirements []byte

// emulator is emulator.py with its modules.
//
//go:embed *.py
var emulator embed.FS

// Fetch returns the folder in the user's cache that holds a Python environment
// for the emulator; the first call on a machine gets the packages from
// PyPI. Any number of processes may call it at once. The error names what is
// missing.
func Fetch(ctx context.Context) (string, error) {
	return python.Environment(ctx, "aws", requirements)
}

func interpreter(environment string) string { return python.Program(environment, "python") }
