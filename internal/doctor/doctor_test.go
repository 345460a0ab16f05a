package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gamemetrics/gmctl/internal/config"
	"github.com/gamemetrics/gmctl/internal/paths"
	"github.com/gamemetrics/gmctl/internal/postgres/server"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/terraform"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// fit is a machine with nothing wrong.
func fit() Machine {
	return Machine{
		OS: "linux", Arch: "amd64", EUID: 1000, Processors: 4,
		Now:       func() time.Time { return noon },
		Memory:    func(context.Context) (Memory, error) { return Memory{16 * gibibyte, 8 * gibibyte}, nil },
		Disk:      func(_ context.Context, path string) (Disk, error) { return Disk{path, 100 * gibibyte, "ext4"}, nil },
		FileLimit: func() (uint64, error) { return 65536, nil },
		Writable:  func(string) error { return nil },
		Newest:    func(string) (string, time.Time, error) { return "journal.jsonl", noon.Add(-time.Hour), nil },
		PortFree:  func(int) bool { return true },
		Holder:    func(context.Context, int) (Process, bool) { return Process{}, false },
		Dial:      func(context.Context, string) error { return nil },
		Tool:      func(_ context.Context, name, _ string) (string, string, error) { return "/usr/bin/" + name, "1.0", nil },
		Postgres: func(context.Context, int, string, string) (server.Binaries, bool, error) {
			return server.Binaries{Dir: "/usr/lib/postgresql/17/bin", Version: "17.5", Major: 17}, true, nil
		},
		MajorOf:    func(string) (int, error) { return 0, nil },
		RunsAs:     func(string) (string, error) { return "postgres", nil },
		Supervisor: func(context.Context, paths.Dirs) (int, bool, error) { return 0, false, nil },
		Servers:    func(string) []int { return nil },
		HalfMade:   func(string) []string { return nil },
		Terraform: func(context.Context) (terraform.Binary, error) {
			return terraform.Binary{Path: "/usr/bin/terraform", Version: "1.11.4"}, nil
		},
		Account: func(context.Context, config.AWS) (Account, error) {
			return Account{ID: "123456789012", Caller: "arn:aws:iam::123456789012:user/ada", HasState: true}, nil
		},
	}
}

func newSubject() Subject {
	return Subject{
		Env:     "local",
		Dirs:    paths.Dirs{State: "/home/u/.local/state/gmctl/local", Data: "/home/u/.local/share/gmctl/local", Cache: "/home/u/.cache/gmctl"},
		DataDir: "/home/u/.local/share/gmctl/local/postgres",
		Config:  config.DefaultLocal(),
		Built:   noon.Add(-24 * time.Hour),
	}
}

func taken(ports ...int) func(int) bool {
	return func(port int) bool {
		return !slices.Contains(ports, port)
	}
}

func TestAFitMachineLacksNothing(t *testing.T) {
	for _, result := range Run(t.Context(), Checks(), fit(), newSubject()) {
		if result.Status != OK || result.Found == "" || result.Why != "" || result.Next != "" {
			t.Errorf("%+v", result)
		}
	}
}

// Each case spoils one thing and says what is found: the status of one check,
// and words of its three texts. Every other check stays as it was.
func TestWhatIsWrongIsFound(t *testing.T) {
	failing := errors.New("it is broken")
	tests := map[string]struct {
		check  string
		spoil  func(*Machine, *Subject)
		status Status
		says   []string
	}{
		"Windows":         {check: "system", spoil: func(m *Machine, _ *Subject) { m.OS = "windows" }, status: Missing, says: []string{"WSL"}},
		"WSL 1":           {check: "system", spoil: func(m *Machine, _ *Subject) { m.Kernel = "Linux version 4.4.0-19041-Microsoft" }, status: Warning, says: []string{"WSL 1", "--set-version"}},
		"WSL 2":           {check: "system", spoil: func(m *Machine, _ *Subject) { m.Kernel = "Linux version 5.15.90.1-microsoft-standard-WSL2" }, status: OK, says: []string{"WSL 2"}},
		"FreeBSD":         {check: "system", spoil: func(m *Machine, _ *Subject) { m.OS = "freebsd" }, status: Warning, says: []string{"freebsd"}},
		"one processor":   {check: "processors", spoil: func(m *Machine, _ *Subject) { m.Processors = 1 }, status: Warning, says: []string{"second processor"}},
		"little memory":   {check: "memory", spoil: memoryOf(400 * mebibyte), status: Warning, says: []string{"400 MiB", "250 MiB"}},
		"no memory":       {check: "memory", spoil: memoryOf(100 * mebibyte), status: Missing, says: []string{"100 MiB", "end other programs"}},
		"little disk":     {check: "disk", spoil: diskWith("ext4", gibibyte), status: Warning, says: []string{"1.0 GiB", "XDG_DATA_HOME"}},
		"no disk":         {check: "disk", spoil: diskWith("ext4", 10*mebibyte), status: Missing, says: []string{"10 MiB", "free some disk space"}},
		"a Windows drive": {check: "disk", spoil: diskWith("9p", 100*gibibyte), status: Warning, says: []string{"9p", "XDG_DATA_HOME"}},
		"unknown memory": {check: "memory", spoil: func(m *Machine, _ *Subject) {
			m.Memory = func(context.Context) (Memory, error) { return Memory{}, failing }
		}, status: Warning, says: []string{"not known", "broken"}},
		"read-only state": {check: "directories", spoil: readOnly("state"), status: Missing, says: []string{"state/gmctl", "read-only", "XDG_STATE_HOME"}},
		"read-only cache": {check: "directories", spoil: readOnly("cache"), status: Missing, says: []string{"XDG_CACHE_HOME"}},
		"few files":       {check: "file limit", spoil: filesOf(512), status: Warning, says: []string{"512", "ulimit"}},
		"no files":        {check: "file limit", spoil: filesOf(64), status: Missing, says: []string{"64", "ulimit"}},
		"unlimited files": {check: "file limit", spoil: filesOf(1 << 63), status: OK, says: []string{"none"}},
		"an old clock":    {check: "clock", spoil: func(_ *Machine, s *Subject) { s.Built = noon.Add(time.Hour) }, status: Warning, says: []string{"built later", "set the clock"}},
		"a clock gone back": {check: "clock", spoil: func(m *Machine, _ *Subject) {
			m.Newest = func(string) (string, time.Time, error) { return "journal.jsonl", noon.Add(2 * time.Hour), nil }
		}, status: Warning, says: []string{"journal.jsonl", "2h", "set the clock"}},
		"root": {check: "user", spoil: func(m *Machine, _ *Subject) { m.EUID = 0 }, status: OK, says: []string{"root", "postgres"}},
		"root alone": {check: "user", spoil: func(m *Machine, _ *Subject) {
			m.EUID = 0
			m.RunsAs = func(string) (string, error) {
				return "", &problem.Error{What: "there is no unprivileged user", Next: "useradd --system postgres"}
			}
		}, status: Missing, says: []string{"no unprivileged user", "useradd"}},
		"no PostgreSQL": {check: "PostgreSQL", spoil: func(m *Machine, _ *Subject) {
			m.Postgres = func(context.Context, int, string, string) (server.Binaries, bool, error) {
				return server.Binaries{}, false, nil
			}
		}, status: Warning, says: []string{"downloads", "15 MiB"}},
		"no PostgreSQL for the data": {check: "PostgreSQL", spoil: func(m *Machine, _ *Subject) {
			m.MajorOf = func(string) (int, error) { return 16, nil }
			m.Postgres = func(context.Context, int, string, string) (server.Binaries, bool, error) {
				return server.Binaries{}, false, nil
			}
		}, status: Warning, says: []string{"PostgreSQL 16", "downloads"}},
		"no PostgreSQL for the data anywhere": {check: "PostgreSQL", spoil: func(m *Machine, _ *Subject) {
			m.MajorOf = func(string) (int, error) { return 99, nil }
			m.Postgres = func(context.Context, int, string, string) (server.Binaries, bool, error) {
				return server.Binaries{}, false, nil
			}
		}, status: Missing, says: []string{"PostgreSQL 99", "none to download", "local.postgres.binaries"}},
		"another PostgreSQL than the data's": {check: "PostgreSQL", spoil: func(m *Machine, _ *Subject) { m.MajorOf = func(string) (int, error) { return 16, nil } }, status: Missing, says: []string{"17.5", "made by PostgreSQL 16", "local.postgres.binaries"}},
		"PostgreSQL that does not run": {check: "PostgreSQL", spoil: func(m *Machine, _ *Subject) {
			m.Postgres = func(context.Context, int, string, string) (server.Binaries, bool, error) {
				return server.Binaries{}, false, &problem.Error{What: "the programs cannot be run", Cause: failing, Next: "leave it out"}
			}
		}, status: Missing, says: []string{"cannot be run", "broken", "leave it out"}},
		"a damaged data directory": {check: "PostgreSQL", spoil: func(m *Machine, _ *Subject) {
			m.MajorOf = func(string) (int, error) {
				return 0, &problem.Error{What: "not a whole data directory", Next: "gmctl teardown"}
			}
		}, status: Missing, says: []string{"not a whole", "gmctl teardown"}},
		"a port taken": {check: "port postgres", spoil: func(m *Machine, _ *Subject) {
			m.PortFree = taken(5432, 5433)
			m.Holder = func(context.Context, int) (Process, bool) { return Process{PID: 77, Name: "postgres"}, true }
		}, status: Warning, says: []string{"5432 is taken", "postgres (pid 77)", "takes 5434"}},
		"a port taken, and the environment up on the next": {check: "port postgres", spoil: func(m *Machine, _ *Subject) {
			m.PortFree = taken(5432, 5433)
			m.Servers = func(string) []int { return []int{51} }
			m.Holder = func(_ context.Context, port int) (Process, bool) {
				return Process{PID: map[int]int{5432: 77, 5433: 51}[port], Name: "postgres"}, true
			}
		}, status: OK, says: []string{"5433 is this environment's own", "5432 is taken"}},
		"a port taken by no one known": {check: "port ingestion", spoil: func(m *Machine, _ *Subject) { m.PortFree = taken(8080) }, status: Warning, says: []string{"does not say by whom", "8081", "local.ingestion.port"}},
		"every port taken":             {check: "port kafka", spoil: func(m *Machine, _ *Subject) { m.PortFree = func(port int) bool { return port < 9092 || port > 9200 } }, status: Missing, says: []string{"local.kafka.port"}},
		"the environment is up": {check: "leftovers", spoil: func(m *Machine, _ *Subject) {
			m.PortFree = taken(5432, 9092, 8080)
			m.Supervisor = func(context.Context, paths.Dirs) (int, bool, error) { return 50, true, nil }
			m.Servers = func(string) []int { return []int{51, 52} }
			m.Holder = func(_ context.Context, port int) (Process, bool) {
				if port == 5432 {
					return Process{PID: 51, Name: "postgres"}, true
				}
				return Process{PID: 50, Name: "gmctl"}, true
			}
		}, status: OK, says: []string{"is up", "50"}},
		"Kafka runs elsewhere": {check: "port kafka", spoil: func(m *Machine, s *Subject) {
			m.PortFree = taken(9092)
			s.Config.Kafka.Brokers = []string{"kafka.example:9092"}
		}, status: OK, says: []string{"kafka.example:9092"}},
		"Kafka elsewhere is silent": {check: "port kafka", spoil: func(m *Machine, s *Subject) {
			s.Config.Kafka.Brokers = []string{"kafka.example:9092"}
			m.Dial = func(context.Context, string) error { return failing }
		}, status: Missing, says: []string{"kafka.example:9092", "broken", "local.kafka.brokers"}},
		"one broker elsewhere is silent": {check: "port kafka", spoil: func(m *Machine, s *Subject) {
			s.Config.Kafka.Brokers = []string{"one:9092", "two:9092"}
			m.Dial = func(_ context.Context, address string) error {
				if address == "two:9092" {
					return failing
				}
				return nil
			}
		}, status: Warning, says: []string{"two:9092"}},
		"a supervisor was killed": {check: "leftovers", spoil: func(m *Machine, _ *Subject) { m.Servers = func(string) []int { return []int{51} } }, status: Warning, says: []string{"51", "gmctl up"}},
		"a supervisor hangs": {check: "leftovers", spoil: func(m *Machine, _ *Subject) {
			m.Supervisor = func(context.Context, paths.Dirs) (int, bool, error) { return 0, false, failing }
		}, status: Warning, says: []string{"does not answer", "gmctl status"}},
		"a first start was killed": {check: "leftovers", spoil: func(m *Machine, _ *Subject) {
			m.HalfMade = func(string) []string { return []string{"/data/.postgres.new-1"} }
		}, status: Warning, says: []string{".postgres.new-1", "gmctl up"}},
		"no terraform": {check: "terraform", spoil: noTool("terraform"), status: Optional, says: []string{"not installed", "cloud", "https://"}},
		"no Maven":     {check: "mvn", spoil: noTool("mvn"), status: Optional, says: []string{"not installed", "tests", "Maven"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			machine, subject := fit(), newSubject()
			test.spoil(&machine, &subject)
			found := false
			for _, result := range Run(t.Context(), Checks(), machine, subject) {
				if result.Check != test.check {
					if result.Status == Missing && name != "every port taken" {
						t.Errorf("another check fails: %+v", result)
					}
					continue
				}
				found = true
				if result.Status != test.status {
					t.Errorf("%+v, want %s", result, test.status)
				}
				said := strings.Join([]string{result.Found, result.Why, result.Next}, " | ")
				for _, words := range test.says {
					if !strings.Contains(said, words) {
						t.Errorf("%q does not say %q", said, words)
					}
				}
				if result.Status == Missing && result.Next == "" {
					t.Error("no remedy")
				}
			}
			if !found {
				t.Errorf("there is no check %q", test.check)
			}
		})
	}
}

func memoryOf(available uint64) func(*Machine, *Subject) {
	return func(m *Machine, _ *Subject) {
		m.Memory = func(context.Context) (Memory, error) { return Memory{gibibyte, available}, nil }
	}
}

func diskWith(fileSystem string, free uint64) func(*Machine, *Subject) {
	return func(m *Machine, _ *Subject) {
		m.Disk = func(_ context.Context, path string) (Disk, error) { return Disk{path, free, fileSystem}, nil }
	}
}

func filesOf(limit uint64) func(*Machine, *Subject) {
	return func(m *Machine, _ *Subject) { m.FileLimit = func() (uint64, error) { return limit, nil } }
}

func readOnly(part string) func(*Machine, *Subject) {
	return func(m *Machine, _ *Subject) {
		m.Writable = func(path string) error {
			if strings.Contains(path, part) {
				return fmt.Errorf("write %s: read-only file system", path)
			}
			return nil
		}
	}
}

func noTool(name string) func(*Machine, *Subject) {
	return func(m *Machine, _ *Subject) {
		other := m.Tool
		m.Tool = func(ctx context.Context, tool, flag string) (string, string, error) {
			if tool == name {
				return "", "", errors.New("not found")
			}
			return other(ctx, tool, flag)
		}
	}
}

func TestVersionIn(t *testing.T) {
	tests := []struct{ name, output, want string }{
		{"java", "openjdk version \"17.0.15\" 2025-04-15\nOpenJDK Runtime Environment", "17.0.15"},
		{"mvn", "\x1b[1mApache Maven 3.8.7\x1b[m\nMaven home: /usr/share/maven", "3.8.7"},
		{"terraform", "There are some problems with the configuration:\n\nTerraform v1.11.4\non linux_amd64", "1.11.4"},
		{"terraform", "nothing of the kind", ""},
	}
	for _, test := range tests {
		if got := versionIn(test.output, test.name); got != test.want {
			t.Errorf("versionIn(%q) = %q, want %q", test.output, got, test.want)
		}
	}
}

// What the real machine answers is its own; that it answers is tested.
func TestThisMachineAnswers(t *testing.T) {
	m, dir := This(), t.TempDir()
	if memory, err := m.Memory(t.Context()); err != nil || memory.Total == 0 {
		t.Errorf("memory %+v, %v", memory, err)
	}
	if disk, err := m.Disk(t.Context(), filepath.Join(dir, "not", "there")); err != nil || disk.Free == 0 || disk.Path != dir {
		t.Errorf("disk %+v, %v", disk, err)
	}
	if limit, err := m.FileLimit(); err != nil || limit == 0 {
		t.Errorf("file limit %d, %v", limit, err)
	}
	if err := m.Writable(filepath.Join(dir, "not", "there")); err != nil {
		t.Error(err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := m.Writable(filepath.Join(file, "below")); err == nil {
		t.Error("a directory can be made below a file")
	}
	if path, at, err := m.Newest(dir); err != nil || path != file || time.Since(at) > time.Minute {
		t.Errorf("newest %s %v, %v", path, at, err)
	}
	if _, alive, err := m.Supervisor(t.Context(), paths.Dirs{State: dir, Data: dir, Cache: dir}); alive || err != nil {
		t.Errorf("supervisor %v, %v", alive, err)
	}
}

func TestAPortsHolderIsFound(t *testing.T) {
	m := This()
	listener := listen(t)
	if m.PortFree(listener) {
		t.Error("a port that is taken is free")
	}
	holder, known := m.Holder(t.Context(), listener)
	if !known || holder.PID != os.Getpid() {
		t.Errorf("the holder is %v, %v", holder, known)
	}
	if err := m.Dial(t.Context(), fmt.Sprintf("127.0.0.1:%d", listener)); err != nil {
		t.Error(err)
	}
}

// listen takes a port for the test.
func listen(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return listener.Addr().(*net.TCPAddr).Port
}

func TestAWS(t *testing.T) {
	subject := newSubject()
	subject.Provider, subject.AWS = config.ProviderAWS, config.DefaultAWS(config.TemplateDev)
	subject.AWS.Region = "eu-central-1"
	for _, result := range Run(t.Context(), For(subject), fit(), subject) {
		if result.Status != OK {
			t.Errorf("of a machine that is fit: %+v", result)
		}
	}
	unfit := fit()
	unfit.OS = "darwin"
	unfit.Terraform = func(context.Context) (terraform.Binary, error) {
		return terraform.Binary{}, &problem.Error{What: "terraform is not on PATH", Next: "install it", Kind: problem.Missing}
	}
	unfit.Account = func(context.Context, config.AWS) (Account, error) {
		return Account{}, &problem.Error{What: "the AWS credentials have expired", Next: "get new ones"}
	}
	lacking := Lacking(Run(t.Context(), For(subject), unfit, subject))
	if len(lacking) != 3 || lacking[0].Check != "terraform" || lacking[1].Check != "AWS account" || lacking[2].Check != "image" {
		t.Errorf("of one that is not: %+v", lacking)
	}
	for _, result := range lacking {
		if result.Next == "" {
			t.Errorf("no remedy: %+v", result)
		}
	}
	subject.AWS.Image.Source = "/opt/gmctl"
	if left := Lacking(Run(t.Context(), For(subject), unfit, subject)); len(left) != 2 {
		t.Errorf("with released binaries: %+v", left)
	}
}
