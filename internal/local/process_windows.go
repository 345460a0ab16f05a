package local

import (
	"os"
	"os/exec"

	"github.com/gamemetrics/gmctl/internal/problem"
)

func detach(*exec.Cmd) error {
	return &problem.Error{
		What: "the local environment does not run on Windows itself",
		Next: "install WSL (wsl --install) and run gmctl in it; the AWS environments work from here",
		Kind: problem.Missing,
	}
}

func isProcess(pid int) bool {
	_, err := os.FindProcess(pid)
	return err == nil
}

func kill(pid int) error {
	process, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	return process.Kill()
}
