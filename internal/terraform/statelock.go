package terraform

import (
	"context"
	"fmt"
	"os"
	"os/user"
	"regexp"
	"strings"
	"time"

	"github.com/gamemetrics/gmctl/internal/engine"
)

// lockSummary is how Terraform begins to say that a lock keeps it from working.
const lockSummary = "Error acquiring the state lock"

// lockInfo is who holds the lock of a state, as Terraform tells it.
type lockInfo struct {
	id, path, operation, who string
	created                  time.Time
}

// lockOf finds in the errors of a terraform the lock that kept it from working.
func lockOf(diagnostics []Diagnostic) (lockInfo, bool) {
	for _, d := range diagnostics {
		if d.Summary != lockSummary {
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

// provedStale reports whether the lock is surely one that a dead terraform of
// this workspace has left: the earlier run did not succeed, it is from the time
// of that run, none works here now, and it names this user and host.
func (w *Workspace) provedStale(lock lockInfo, earlier started) bool {
	if pid, err := w.AtWork(); err != nil || pid != 0 {
		return false
	}
	tooOld := lock.created.Before(earlier.At.Truncate(time.Second))
	tooNew := !earlier.Ended.IsZero() && lock.created.After(earlier.Ended)
	return lock.who == whoami() && !tooOld && !tooNew
}

// unlocking does something that takes the lock of the state, and does it again
// without the lock that a dead terraform of this workspace has left, if there is
// one.
func (w *Workspace) unlocking(ctx context.Context, report engine.Reporter, do func() error) error {
	err := do()
	if err == nil {
		return nil
	}
	lock, locked := lockOf([]Diagnostic{{Summary: lockSummary, Detail: strings.ReplaceAll(err.Error(), "│", "")}})
	earlier, earlierErr := lastRun(w.Dir)
	if !locked || earlierErr != nil || !w.provedStale(lock, earlier) {
		return err
	}
	if err := w.unlock(ctx, lock, report); err != nil {
		return err
	}
	return do()
}

// unlock removes a lock that is proved stale.
func (w *Workspace) unlock(ctx context.Context, lock lockInfo, report engine.Reporter) error {
	report.Report(engine.Update{Kind: engine.UpdateWarning, Message: fmt.Sprintf(
		"removing the lock of a terraform that was killed: %s, since %s", lock.who, lock.created.Local().Format("15:04:05"))})
	runner, err := w.terraform()
	if err != nil {
		return err
	}
	if err := runner.ForceUnlock(ctx, lock.id); err != nil && !strings.Contains(err.Error(), "not locked") {
		return w.explain(ctx, "the lock of the Terraform state could not be removed", err, nil)
	}
	return nil
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
