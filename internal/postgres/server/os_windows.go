package server

import (
	"context"
	"errors"
	"os"
	"syscall"

	"github.com/gamemetrics/gmctl/internal/problem"
)

const (
	fast      = syscall.SIGINT
	immediate = syscall.SIGQUIT
)

func platformSupported() error {
	return &problem.Error{
		What: "the local environment does not run on Windows itself",
		Next: "install WSL (wsl --install) and run gmctl inside it",
		Kind: problem.Missing,
	}
}

func signalPID(pid int, signal os.Signal) error {
	p, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	return p.Signal(signal)
}

func isErrno(err error, errno syscall.Errno) bool { return errors.Is(err, errno) }

func lockDir(context.Context, string) (func(), error) { return nil, platformSupported() }

func processAttributes(account) *syscall.SysProcAttr { return nil }
