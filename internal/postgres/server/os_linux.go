package server

import "syscall"

// processAttributes: the account's own rights, a process group of its own, and
// a fast shutdown when this process dies, however it dies.
func processAttributes(account account) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: account.credential(), Setpgid: true, Pdeathsig: fast}
}
