package terraform

import (
	"os"
	"os/user"
	"regexp"
	"strings"
	"time"
)

// lockInfo is who holds the lock of a state, as Terraform tells it.
type lockInfo struct {
	id, path, operation, who string
	created                  time.Time
}

// lockOf finds in the errors of a terraform the lock that kept it from working.
func lockOf(diagnostics []Diagnostic) (lockInfo, bool) {
	for _, d := range diagnostics {
		if d.Summary != "Error acquiring the state lock" {
			continue
		}
		field := func(name string) string {
			found := regexp.MustCompile(`(?m)^\s*` + name + `:\s*(.*)$`).FindStringSubmatch(d.Detail)
			if found == nil {
				return ""
			}
			return strings.TrimSpace(found[1])
		}
		lock := lockInfo{id: field("ID"), path: field("Path"), operation: field("Operation"), who: field("Who")}
		// Terraform prints Go's String of the time.
		created, _, _ := strings.Cut(field("Created"), " +0000")
		lock.created, _ = time.Parse("2006-01-02 15:04:05", created)
		return lock, lock.id != ""
	}
	return lockInfo{}, false
}

// provedStale reports whether the lock is surely one that a killed terraform of
// this workspace has left: the earlier run began before it and never ended in
// order, none works here now, and the lock names this user and host.
func (w *Workspace) provedStale(lock lockInfo, earlier started) bool {
	if pid, err := w.AtWork(); err != nil || pid != 0 {
		return false
	}
	return lock.who == whoami() && !lock.created.Before(earlier.At.Truncate(time.Second))
}

// whoami is how Terraform names this user and host in a lock.
func whoami() string {
	current, err := user.Current()
	if err != nil {
		return ""
	}
	host, err := os.Hostname()
	if err != nil {
		return ""
	}
	return current.Username + "@" + host
}
