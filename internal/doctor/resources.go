package doctor

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	mebibyte = 1 << 20
	gibibyte = 1 << 30

	// The whole environment takes about 250 MiB when it is idle.
	littleMemory = 512 * mebibyte
	noMemory     = 200 * mebibyte

	// A new environment takes about 60 MiB, and its write-ahead log up to 1 GiB.
	littleDisk = 2 * gibibyte
	noDisk     = 200 * mebibyte

	// PostgreSQL, Kafka's logs and some hundred clients at once.
	fewFiles = 1024
	noFiles  = 256
)

func checkSystem(_ context.Context, m Machine, _ Subject) Finding {
	found := Finding{Status: OK, Found: m.OS + "/" + m.Arch}
	switch {
	case m.OS == "windows":
		return Finding{
			Status: Missing, Found: found.Found, Why: "the local environment does not run on Windows itself",
			Next: "install WSL (wsl --install) and run gmctl inside it",
		}
	case strings.Contains(strings.ToLower(m.Kernel), "microsoft") && !strings.Contains(m.Kernel, "WSL2"):
		found.Found += ", WSL 1"
		found.Status, found.Why = Warning, "WSL 1 imitates Linux's file system: PostgreSQL is slow on it and its durability is not known"
		found.Next = "in Windows, run: wsl --set-version <distribution> 2"
	case strings.Contains(strings.ToLower(m.Kernel), "microsoft"):
		found.Found += ", WSL 2"
	case m.OS != "linux" && m.OS != "darwin":
		found.Status, found.Why = Warning, "gmctl is tested on Linux and macOS"
		found.Next = "install PostgreSQL with your package manager: there is none to download for " + m.OS
	}
	return found
}

func checkProcessors(_ context.Context, m Machine, _ Subject) Finding {
	found := Finding{Status: OK, Found: fmt.Sprint(m.Processors)}
	if m.Processors < 2 {
		found.Status, found.Why = Warning, "the services share one processor with what sends events to them"
		found.Next = "give the machine a second processor for more than a few thousand events a second"
	}
	return found
}

func checkMemory(ctx context.Context, m Machine, _ Subject) Finding {
	memory, err := m.Memory(ctx)
	if err != nil {
		return unknown(err)
	}
	found := Finding{Status: OK, Found: fmt.Sprintf("%s available of %s", size(memory.Available), size(memory.Total))}
	switch {
	case memory.Available < noMemory:
		found.Status = Missing
	case memory.Available < littleMemory:
		found.Status = Warning
	default:
		return found
	}
	found.Why = "the environment takes about 250 MiB when it is idle, and Kafka's records come on top"
	found.Next = "end other programs, or give the machine (or container, or WSL) more memory"
	return found
}

func checkDisk(ctx context.Context, m Machine, s Subject) Finding {
	least := Finding{Status: OK}
	var free uint64
	for _, path := range []string{s.DataDir, s.Dirs.Data, s.Dirs.State} {
		disk, err := m.Disk(ctx, path)
		if err != nil {
			return unknown(err)
		}
		if least.Found == "" || disk.Free < free {
			free = disk.Free
			least.Found = fmt.Sprintf("%s free for %s", size(free), path)
		}
		if remote(disk.FileSystem) {
			return Finding{
				Status: Warning, Found: fmt.Sprintf("%s is on a file system of the kind %s", path, disk.FileSystem),
				Why:  "PostgreSQL is slow and not safe on it",
				Next: "set XDG_DATA_HOME and XDG_STATE_HOME to directories on a disk of the machine itself",
			}
		}
	}
	switch {
	case free < noDisk:
		least.Status = Missing
	case free < littleDisk:
		least.Status = Warning
	default:
		return least
	}
	least.Why = "a new environment takes about 60 MiB, and its write-ahead log grows to 1 GiB under load"
	least.Next = "free some disk space, or set XDG_DATA_HOME to a directory on a larger disk"
	return least
}

// remote reports whether the file system does not keep what PostgreSQL is
// promised, or is slow at it: a network's, or a Windows drive as WSL shows it.
func remote(fileSystem string) bool {
	return slices.Contains([]string{"9p", "v9fs", "drvfs", "nfs", "nfs4", "cifs", "smb2", "smbfs", "fuse.sshfs", "vboxsf"}, fileSystem)
}

func checkDirectories(_ context.Context, m Machine, s Subject) Finding {
	for _, dir := range []struct{ path, variable string }{
		{s.Dirs.State, "XDG_STATE_HOME"}, {s.Dirs.Data, "XDG_DATA_HOME"}, {s.Dirs.Cache, "XDG_CACHE_HOME"}, {filepath.Dir(s.DataDir), "XDG_DATA_HOME"},
	} {
		if err := m.Writable(dir.path); err != nil {
			return Finding{
				Status: Missing, Found: dir.path, Why: "it cannot be written: " + err.Error(),
				Next: "give it to the user who runs gmctl, or set " + dir.variable + " to a directory that can be written",
			}
		}
	}
	return Finding{Status: OK, Found: "state, data and cache can be written"}
}

func checkFileLimit(_ context.Context, m Machine, _ Subject) Finding {
	limit, err := m.FileLimit()
	if err != nil {
		return unknown(err)
	}
	found := Finding{Status: OK, Found: fmt.Sprintf("%d open files a process", limit)}
	if limit > 1<<30 {
		found.Found = "none"
	}
	switch {
	case limit < noFiles:
		found.Status = Missing
	case limit < fewFiles:
		found.Status = Warning
	default:
		return found
	}
	found.Why = fmt.Sprintf("PostgreSQL, Kafka's logs and the clients together need up to %d", fewFiles)
	found.Next = fmt.Sprintf("run: ulimit -Hn %d, or raise the limit in /etc/security/limits.conf", 4*fewFiles)
	return found
}

// tolerance is how far apart two clocks may be.
const tolerance = 5 * time.Minute

func checkClock(_ context.Context, m Machine, s Subject) Finding {
	now := m.Now()
	found := Finding{Status: OK, Found: now.Format("2006-01-02 15:04:05 MST")}
	wrong := func(why string) Finding {
		found.Status, found.Why = Warning, why
		found.Next = "set the clock: events far from now are refused (Linux: timedatectl set-ntp true; WSL: hwclock -s)"
		return found
	}
	if now.Before(s.Built.Add(-tolerance)) {
		return wrong("this gmctl was built later, at " + s.Built.UTC().Format("2006-01-02 15:04:05 MST"))
	}
	path, at, err := m.Newest(s.Dirs.State)
	if err == nil && at.After(now.Add(tolerance)) {
		return wrong(fmt.Sprintf("%s was written %s from now: the clock went back", path, at.Sub(now).Round(time.Minute)))
	}
	return found
}

// unknown is the finding of a check that could not look.
func unknown(err error) Finding {
	return Finding{Status: Warning, Found: "not known", Why: err.Error()}
}

// size is a number of bytes for people.
func size(bytes uint64) string {
	switch {
	case bytes >= 10*gibibyte:
		return fmt.Sprintf("%d GiB", bytes/gibibyte)
	case bytes >= gibibyte:
		return fmt.Sprintf("%.1f GiB", float64(bytes)/gibibyte)
	}
	return fmt.Sprintf("%d MiB", bytes/mebibyte)
}
