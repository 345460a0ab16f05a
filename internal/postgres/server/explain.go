package server

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// explainServer makes a problem of a server's failure and of what it last said.
func explainServer(what string, err error, lines []string) error {
	p := explainLog(what, err, lines)
	if p.Next == "" {
		p.Next = "look at the server's log: gmctl logs postgres"
	}
	return p
}

// ownLines returns the lines that the process itself wrote about its failure, and
// those of the panics that brought it down: all else that its sessions wrote
// tells of their clients' errors.
func ownLines(lines []string, pid int) []string {
	var own []string
	for _, line := range lines {
		if panicked.MatchString(line) || strings.Contains(line, fmt.Sprintf(" [%d] ", pid)) && severe.MatchString(line) {
			own = append(own, line)
		}
	}
	return own
}

// remedy returns what a user can do about what PostgreSQL said, the most telling
// words first; empty if nothing better is known than to read them.
func remedy(said string) (next string, kind problem.Kind) {
	has := func(words ...string) bool {
		return slices.ContainsFunc(words, func(word string) bool { return strings.Contains(said, word) })
	}
	switch {
	case has("error while loading shared libraries"):
		return "install PostgreSQL with your package manager, or set local.postgres.binaries", problem.Missing
	case has("could not create shared memory segment"):
		return "raise the system's limit of shared memory (kernel.shmmax, kernel.shmall), or end programs that hold it", problem.Failed
	case has("could not create semaphores"):
		return "raise the system's limit of semaphores (kernel.sem)", problem.Failed
	case has("No space left on device"):
		return "free some disk space; it starts by itself then, or with gmctl up", problem.Failed
	case has("Disk quota exceeded"):
		return "free some of your disk quota and run the command again", problem.Failed
	case has("Address already in use"):
		return "stop what listens there, or set local.postgres.port in gmctl.yaml", problem.Failed
	case has("could not locate a valid checkpoint record",
		"could not locate required checkpoint record",
		"invalid primary checkpoint record",
		"incorrect checksum in control file",
		"calculated CRC checksum does not match",
		"could not find the database system",
		"global/pg_control",
		"is not a database cluster directory",
		"could not access the server configuration file",
		"required WAL directory",
		"No such file or directory"):
		return damagedNext, problem.Failed
	case has("database files are incompatible with server"):
		return "set local.postgres.binaries to the PostgreSQL that made the data", problem.Missing
	case has("could not map anonymous shared memory"):
		return "free some memory: PostgreSQL needs about 200 MB", problem.Failed
	case has("is still in use"):
		return "end the processes of the earlier server: ps -ef | grep postgres", problem.Failed
	case has("Permission denied",
		"has wrong ownership"):
		return "give the data directory back to the user who runs PostgreSQL", problem.Failed
	case has("has invalid permissions"):
		return "run: chmod 700 on the data directory", problem.Failed
	}
	return "", problem.Failed
}

const damagedNext = "the data directory is damaged: put a copy of it back in place; to start anew without the data, run: gmctl teardown, then gmctl up"

// severe matches the lines of a log that tell of a failure: of the server, and
// of initdb. Its group is the message.
var severe = regexp.MustCompile(`(?:^|\s)(?:FATAL|PANIC|ERROR|initdb: error|postgres: error|postgres):\s+(.*)$`)

// panicked matches the lines of a log that tell why the whole server ended.
var panicked = regexp.MustCompile(`\sPANIC:\s`)

// explainLog makes a problem of a failure and of the last lines of a log.
func explainLog(what string, err error, lines []string) *problem.Error {
	p := &problem.Error{What: what, Cause: err}
	if said := lastSevere(lines); said != "" {
		p.Cause = saying(err, said)
	} else if len(lines) > 0 {
		p.Cause = saying(err, lines[len(lines)-1])
	}
	p.Next, p.Kind = remedy(strings.Join(lines, "\n"))
	return p
}

// dated matches the start of a line of the server's log, as against the further
// lines of a message.
var dated = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2} `)

// lastSevere returns the last message that tells of a failure, of a panic if there
// was one, with the lines that belong to it; empty if there is none.
func lastSevere(lines []string) string {
	hasPanic := slices.ContainsFunc(lines, panicked.MatchString)
	for i, line := range slices.Backward(lines) {
		match := severe.FindStringSubmatch(line)
		if match == nil || hasPanic && !panicked.MatchString(line) {
			continue
		}
		var message strings.Builder
		message.WriteString(match[1])
		for _, further := range lines[i+1:] {
			if dated.MatchString(further) || strings.HasPrefix(further, "initdb: ") {
				break
			}
			message.WriteString(" " + strings.TrimSpace(further))
		}
		return message.String()
	}
	return ""
}

// saying joins an error with what the program said about it.
func saying(err error, said string) error {
	said = strings.TrimSpace(said)
	if err == nil {
		return errors.New(said)
	}
	return fmt.Errorf("%s (%w)", said, err)
}
