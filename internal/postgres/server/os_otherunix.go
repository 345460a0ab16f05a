//go:build unix && !linux

package server

import "syscall"

// processAttributes: the account's own rights and a process group of its own.
// The next Start ends what outlives this process.
func processAttributes(account account) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: account.credential(), Setpgid: true}
}
