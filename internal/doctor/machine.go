package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/shirou/gopsutil/v4/disk"
	"github.com/shirou/gopsutil/v4/mem"
	gopsnet "github.com/shirou/gopsutil/v4/net"
	"github.com/shirou/gopsutil/v4/process"

	"github.com/gamemetrics/gmctl/internal/config"
	"github.com/gamemetrics/gmctl/internal/local"
	"github.com/gamemetrics/gmctl/internal/paths"
	"github.com/gamemetrics/gmctl/internal/postgres/server"
	"github.com/gamemetrics/gmctl/internal/terraform"
)

// Machine is what the checks ask of a machine.
type Machine struct {
	OS, Arch   string // as Go names them
	Kernel     string // the system's own words for it; empty if not known
	EUID       int
	Processors int
	Now        func() time.Time

	Memory    func(context.Context) (Memory, error)
	Disk      func(ctx context.Context, path string) (Disk, error)
	FileLimit func() (uint64, error)                      // open files a process may have
	Writable  func(path string) error                     // whether path could be made and written
	Newest    func(dir string) (string, time.Time, error) // the file below dir that was changed last

	PortFree func(port int) bool                                 // on 127.0.0.1
	Holder   func(ctx context.Context, port int) (Process, bool) // who listens on the port
	Dial     func(ctx context.Context, address string) error     // whether someone answers there
	Tool     func(ctx context.Context, name, versionFlag string) (path, version string, err error)
	Postgres func(ctx context.Context, major int, explicitDir, cacheDir string) (server.Binaries, bool, error)
	MajorOf  func(dataDir string) (int, error)
	RunsAs   func(dataDir string) (name string, err error) // the user that PostgreSQL runs as

	Supervisor func(context.Context, paths.Dirs) (pid int, alive bool, err error)
	Servers    func(dataDir string) []int    // PostgreSQL processes that work there
	HalfMade   func(dataDir string) []string // clusters that a killed start left

	Terraform func(context.Context) (terraform.Binary, error)
	Account   func(context.Context, config.AWS) (Account, error)
}

// Memory is in bytes.
type Memory struct{ Total, Available uint64 }

// Disk is a file system.
type Disk struct {
	Path       string // where it is mounted, or the directory asked for
	Free       uint64 // bytes that a user may still write
	FileSystem string // "ext4", "9p"
}

// Process is who holds a port.
type Process struct {
	PID  int
	Name string
	Dir  string // that it works in
}

func (p Process) String() string { return fmt.Sprintf("%s (pid %d)", p.Name, p.PID) }

// This is the machine gmctl runs on.
func This() Machine {
	kernel, _ := os.ReadFile("/proc/version") // not there elsewhere than on Linux
	return Machine{
		OS: runtime.GOOS, Arch: runtime.GOARCH, Kernel: strings.TrimSpace(string(kernel)),
		EUID: os.Geteuid(), Processors: runtime.NumCPU(), Now: time.Now,
		Memory: memory, Disk: diskOf, FileLimit: fileLimit, Writable: writable, Newest: newest,
		PortFree: portFree, Holder: holder, Dial: dial, Tool: tool,
		Postgres: server.Look, MajorOf: server.MajorOf, RunsAs: server.AccountFor,
		Supervisor: supervisor, Servers: server.ProcessesOf, HalfMade: server.HalfMade,
		Terraform: terraform.Find, Account: account,
	}
}

func memory(ctx context.Context) (Memory, error) {
	machine, err := mem.VirtualMemoryWithContext(ctx)
	if err != nil {
		return Memory{}, err
	}
	m := Memory{Total: machine.Total, Available: machine.Available}
	if limit, used, limited := controlGroup(); limited && limit < m.Total {
		m.Total, m.Available = limit, min(m.Available, limit-min(used, limit))
	}
	return m, nil
}

// controlGroup returns the memory that a container gives its processes, and
// what of it is used.
func controlGroup() (limit, used uint64, limited bool) {
	read := func(name string) (uint64, error) {
		content, err := os.ReadFile("/sys/fs/cgroup/" + name)
		if err != nil {
			return 0, err
		}
		return strconv.ParseUint(strings.TrimSpace(string(content)), 10, 64) // "max" is no number
	}
	limit, limitErr := read("memory.max")
	used, usedErr := read("memory.current")
	return limit, used, limitErr == nil && usedErr == nil
}

// existing is path or its nearest parent that exists.
func existing(path string) string {
	for {
		if _, err := os.Stat(path); err == nil || path == filepath.Dir(path) {
			return path
		}
		path = filepath.Dir(path)
	}
}

func diskOf(ctx context.Context, path string) (Disk, error) {
	path = existing(path)
	usage, err := disk.UsageWithContext(ctx, path)
	if err != nil {
		return Disk{}, err
	}
	return Disk{Path: path, Free: usage.Free, FileSystem: usage.Fstype}, nil
}

func newest(dir string) (string, time.Time, error) {
	var path string
	var at time.Time
	err := filepath.WalkDir(dir, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return err
		}
		if info, err := entry.Info(); err == nil && !entry.IsDir() && info.ModTime().After(at) {
			path, at = file, info.ModTime()
		}
		return nil
	})
	return path, at, err
}

func portFree(port int) bool {
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return false
	}
	return listener.Close() == nil
}

// holder finds the process that listens on the port. The system tells a normal
// user of his own processes only.
func holder(ctx context.Context, port int) (Process, bool) {
	connections, err := gopsnet.ConnectionsWithContext(ctx, "tcp")
	if err != nil {
		return Process{}, false
	}
	for _, connection := range connections {
		if connection.Status != "LISTEN" || int(connection.Laddr.Port) != port || connection.Pid == 0 {
			continue
		}
		p := &process.Process{Pid: connection.Pid}
		name, err := p.NameWithContext(ctx)
		if err != nil {
			name = "a process"
		}
		dir, _ := p.CwdWithContext(ctx) // only to recognise our own
		return Process{PID: int(connection.Pid), Name: name, Dir: dir}, true
	}
	return Process{}, false
}

func dial(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	return conn.Close()
}

// tool runs a program to learn its version; empty where it does not say.
func tool(ctx context.Context, name, versionFlag string) (path, version string, err error) {
	path, err = exec.LookPath(name)
	if err != nil {
		return "", "", err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, strings.Fields(versionFlag)...)
	cmd.Env = append(os.Environ(), "CHECKPOINT_DISABLE=1") // terraform would ask the network, and leave a file
	output, err := cmd.CombinedOutput()
	if err != nil {
		return path, "", err
	}
	return path, versionIn(string(output), name), nil
}

var versionNumber = regexp.MustCompile(`\b[vV]?([0-9]+(?:\.[0-9]+)+)`)

// versionIn finds the version that a program of the name prints: on the first
// line that speaks of it, as there may be others before.
func versionIn(output, name string) string {
	for line := range strings.Lines(output) {
		lower := strings.ToLower(line)
		if !strings.Contains(lower, name) && !strings.Contains(lower, "version") && !strings.Contains(lower, "maven") {
			continue
		}
		if match := versionNumber.FindStringSubmatch(line); match != nil {
			return match[1]
		}
	}
	return ""
}

func supervisor(ctx context.Context, dirs paths.Dirs) (int, bool, error) {
	snapshot, err := local.NewClient(dirs).Snapshot(ctx, false)
	if errors.Is(err, local.ErrNotRunning) {
		return 0, false, nil
	}
	return snapshot.PID, err == nil, err
}
