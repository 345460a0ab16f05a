package terraform

import (
	"context"
	"errors"
	"fmt"
	"os/exec"

	"github.com/hashicorp/go-version"
	"github.com/hashicorp/terraform-exec/tfexec"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// minimumVersion has ephemeral values and write-only arguments, which keep
// secrets out of the state, and locks in S3.
const minimumVersion = "1.11.0"

const howToGet = "install Terraform " + minimumVersion + " or later: https://developer.hashicorp.com/terraform/install"

// Binary is a terraform that can be used.
type Binary struct {
	Path    string
	Version string
}

// Find returns the terraform on PATH. The error is a problem.Missing that says
// how to get one.
func Find(ctx context.Context) (Binary, error) {
	path, err := exec.LookPath("terraform")
	if err != nil {
		return Binary{}, &problem.Error{What: "terraform is not on PATH", Next: howToGet, Kind: problem.Missing}
	}
	runner, err := tfexec.NewTerraform(".", path)
	if err != nil {
		return Binary{}, unusable(path, err)
	}
	found, _, err := runner.Version(ctx, true)
	if err != nil {
		return Binary{}, unusable(path, err)
	}
	if found.Core().LessThan(version.Must(version.NewVersion(minimumVersion))) {
		return Binary{}, unusable(path, fmt.Errorf("it is version %s, which is too old", found))
	}
	return Binary{Path: path, Version: found.String()}, nil
}

func unusable(path string, err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	return &problem.Error{What: path + " cannot be used", Cause: err, Next: howToGet, Kind: problem.Missing}
}
