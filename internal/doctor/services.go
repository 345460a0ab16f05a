package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/gamemetrics/gmctl/internal/config"
	"github.com/gamemetrics/gmctl/internal/postgres/server"
	"github.com/gamemetrics/gmctl/internal/problem"
)

func checkUser(_ context.Context, m Machine, s Subject) Finding {
	if m.EUID != 0 {
		return Finding{Status: OK, Found: "a normal user"}
	}
	account, err := m.RunsAs(s.DataDir)
	if err != nil {
		return missing("root", problem.From(err))
	}
	return Finding{Status: OK, Found: fmt.Sprintf("root; PostgreSQL runs as %s, in %s", account, s.DataDir)}
}

func checkPostgres(ctx context.Context, m Machine, s Subject) Finding {
	major, err := m.MajorOf(s.DataDir)
	if err != nil {
		return missing(s.DataDir, problem.From(err))
	}
	found, here, err := m.Postgres(ctx, major, s.Config.Postgres.Binaries, s.Dirs.Cache)
	if err != nil {
		return missing("not found", problem.From(err))
	}
	switch {
	case !here && server.DownloadVersion(major) == "":
		return Finding{
			Status: Missing, Found: fmt.Sprintf("PostgreSQL %d, which made the data, is not installed", major),
			Why:  "there is none to download",
			Next: fmt.Sprintf("install PostgreSQL %d, or set local.postgres.binaries to the directory of its programs", major),
		}
	case !here && major != 0:
		return Finding{
			Status: Warning, Found: fmt.Sprintf("PostgreSQL %d, which made the data, is not installed", major),
			Why:  fmt.Sprintf("gmctl up downloads it, about %s", size(server.DownloadSize)),
			Next: fmt.Sprintf("without a network, install PostgreSQL %d", major),
		}
	case !here:
		return Finding{
			Status: Warning, Found: "not installed",
			Why:  fmt.Sprintf("gmctl up downloads %s, about %s", server.DownloadVersion(0), size(server.DownloadSize)),
			Next: "nothing, with a network; without one: " + server.InstallHint(),
		}
	case major != 0 && found.Major != major:
		return Finding{
			Status: Missing, Found: fmt.Sprintf("%s in %s", found.Version, found.Dir),
			Why:  fmt.Sprintf("the data in %s was made by PostgreSQL %d", s.DataDir, major),
			Next: fmt.Sprintf("set local.postgres.binaries to PostgreSQL %d's, or leave it out", major),
		}
	case found.Downloaded:
		return Finding{Status: OK, Found: fmt.Sprintf("%s, downloaded to %s", found.Version, found.Dir)}
	}
	return Finding{Status: OK, Found: fmt.Sprintf("%s in %s", found.Version, found.Dir)}
}

// portsTried is how many ports above the wanted one gmctl up tries.
const portsTried = 100

// checkPort looks at the port that a service would take.
func checkPort(service string, portOf func(config.Local) int) func(context.Context, Machine, Subject) Finding {
	return func(ctx context.Context, m Machine, s Subject) Finding {
		port := portOf(s.Config)
		if m.PortFree(port) {
			return Finding{Status: OK, Found: fmt.Sprintf("%d is free", port)}
		}
		holder, known := m.Holder(ctx, port)
		if known && ours(ctx, m, s, holder) {
			return Finding{Status: OK, Found: fmt.Sprintf("%d is this environment's own", port)}
		}
		found := Finding{Status: Warning, Found: fmt.Sprintf("%d is taken", port), Why: "the system does not say by whom"}
		if known {
			found.Why = "held by " + holder.String()
		}
		for next := port + 1; next <= min(port+portsTried, 65535); next++ {
			if m.PortFree(next) {
				found.Next = fmt.Sprintf("nothing: gmctl up takes %d instead; or stop the other, or set local.%s.port", next, service)
				return found
			}
			if mine, known := m.Holder(ctx, next); known && ours(ctx, m, s, mine) {
				return Finding{Status: OK, Found: fmt.Sprintf("%d is this environment's own; %d is taken", next, port)}
			}
		}
		found.Status = Missing
		found.Next = fmt.Sprintf("set local.%s.port to a free one: none of the next %d is", service, portsTried)
		return found
	}
}

// ours reports whether the process belongs to the environment.
func ours(ctx context.Context, m Machine, s Subject, p Process) bool {
	if slices.Contains(m.Servers(s.DataDir), p.PID) {
		return true
	}
	pid, alive, err := m.Supervisor(ctx, s.Dirs)
	return err == nil && alive && pid == p.PID
}

// checkKafka looks at the port of the embedded broker, or at the brokers that
// the environment uses instead.
func checkKafka(ctx context.Context, m Machine, s Subject) Finding {
	brokers := s.Config.Kafka.Brokers
	if len(brokers) == 0 {
		return checkPort("kafka", func(l config.Local) int { return l.Kafka.Port })(ctx, m, s)
	}
	var silent []string
	var cause error
	for _, broker := range brokers {
		if err := m.Dial(ctx, broker); err != nil {
			silent, cause = append(silent, broker), err
		}
	}
	switch len(silent) {
	case 0:
		return Finding{Status: OK, Found: "not used: " + strings.Join(brokers, ", ") + " answer"}
	case len(brokers):
		return Finding{
			Status: Missing, Found: "no answer from " + strings.Join(silent, ", "), Why: cause.Error(),
			Next: "start that Kafka, or set local.kafka.brokers to one that runs, or leave it out for the embedded one",
		}
	}
	return Finding{Status: Warning, Found: "no answer from " + strings.Join(silent, ", "), Why: cause.Error(), Next: "look at that broker; the others answer"}
}

func checkLeftovers(ctx context.Context, m Machine, s Subject) Finding {
	pid, alive, err := m.Supervisor(ctx, s.Dirs)
	if err != nil {
		return Finding{
			Status: Warning, Found: "a supervisor that does not answer", Why: err.Error(),
			Next: "run: gmctl status, then gmctl up, which repairs it",
		}
	}
	if alive {
		return Finding{Status: OK, Found: fmt.Sprintf("none; the environment is up (supervisor pid %d)", pid)}
	}
	if servers := m.Servers(s.DataDir); len(servers) > 0 {
		return Finding{
			Status: Warning, Found: fmt.Sprintf("PostgreSQL without a supervisor (pid %d)", servers[0]),
			Why: "its supervisor was killed", Next: "run: gmctl up, which takes over its data; or gmctl teardown",
		}
	}
	if left := m.HalfMade(s.DataDir); len(left) > 0 {
		return Finding{
			Status: Warning, Found: left[0], Why: "the first start was killed while it made the database",
			Next: "run: gmctl up, which removes it and makes the database anew",
		}
	}
	return Finding{Status: OK, Found: "none"}
}

// checkTool looks for a program that only some want.
func checkTool(name, purpose, install, versionFlag string) func(context.Context, Machine, Subject) Finding {
	return func(ctx context.Context, m Machine, _ Subject) Finding {
		path, version, err := m.Tool(ctx, name, versionFlag)
		switch {
		case path == "":
			return Finding{Status: Optional, Found: "not installed; only " + purpose, Next: install}
		case err != nil:
			return Finding{Status: Optional, Found: path, Why: "it does not run: " + err.Error(), Next: install + "; only " + purpose}
		}
		return Finding{Status: OK, Found: strings.TrimSpace(version + " in " + path)}
	}
}

func missing(found string, p *problem.Error) Finding {
	return Finding{Status: Missing, Found: found, Why: p.Error(), Next: p.Next}
}
