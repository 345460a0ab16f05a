package process

import "syscall"

func ownGroup(attributes *syscall.SysProcAttr) {
	attributes.Setpgid, attributes.Pdeathsig = true, syscall.SIGKILL
}
