//go:build unix && !linux

package process

import "syscall"

func ownGroup(attributes *syscall.SysProcAttr) { attributes.Setpgid = true }
