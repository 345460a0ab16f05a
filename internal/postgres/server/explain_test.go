package server_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/gamemetrics/gmctl/internal/postgres/server"
)

func TestExplainLog(t *testing.T) {
	tests := map[string]struct {
		log   string
		cause string
		next  string
	}{
		"disk full while initdb runs": {
			log: `running bootstrap script ... 2026-11-24 02:00:00.000 UTC [9] FATAL:  could not write to file "pg_wal/000000010000000000000001": No space left on device
child process exited with exit code 1
initdb: removing contents of data directory "/data"`,
			cause: "No space left on device",
			next:  "free some disk space",
		},
		"disk full at the end of recovery": {
			log: `2026-11-24 03:55:12.731 UTC [16] PANIC:  could not write to file "pg_logical/replorigin_checkpoint.tmp": No space left on device
2026-11-24 03:55:12.756 UTC [36] FATAL:  the database system is not yet accepting connections
2026-11-24 03:55:12.756 UTC [36] DETAIL:  Consistent recovery state has not been yet reached.
2026-11-24 03:55:12.731 UTC [9] LOG:  checkpointer process (PID 16) was terminated by signal 6: Aborted`,
			cause: "pg_logical/replorigin_checkpoint.tmp",
			next:  "free some disk space",
		},
		"the port was taken in between": {
			log: `2026-11-24 02:00:00.000 UTC [9] LOG:  starting PostgreSQL 15.18
2026-11-24 02:00:00.001 UTC [9] LOG:  could not bind IPv4 address "127.0.0.1": Address already in use
2026-11-24 02:00:00.001 UTC [9] HINT:  Is another postmaster already running on port 5432? If not, wait a few seconds and retry.
2026-11-24 02:00:00.001 UTC [9] WARNING:  could not create listen socket for "127.0.0.1"
2026-11-24 02:00:00.001 UTC [9] FATAL:  could not create any TCP/IP sockets
2026-11-24 02:00:00.002 UTC [9] LOG:  database system is shut down`,
			cause: "could not create any TCP/IP sockets",
			next:  "local.postgres.port",
		},
		"a message of several lines": {
			log: `postgres: could not find the database system
Expected to find it in the directory "/data",
but could not open file "/data/global/pg_control": No such file or directory`,
			cause: `could not find the database system Expected to find it in the directory "/data", but could not open file "/data/global/pg_control": No such file or directory`,
			next:  "damaged",
		},
		"no semaphores left": {
			log:   "2026-11-24 02:00:00.000 UTC [9] FATAL:  could not create semaphores: No space left on device",
			cause: "could not create semaphores",
			next:  "kernel.sem",
		},
		"a missing library": {
			log:   "postgres: error while loading shared libraries: libicu.so.72: cannot open shared object file: No such file or directory",
			cause: "libicu",
			next:  "install PostgreSQL",
		},
		"nothing severe": {log: "it hung up", cause: "it hung up"},
		"nothing at all": {log: "", cause: "exit status 1"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			lines := slices.DeleteFunc(strings.Split(test.log, "\n"), func(line string) bool { return line == "" })
			p := server.ExplainLog("PostgreSQL stopped", errors.New("exit status 1"), lines)
			wantIn(t, p.Error(), "PostgreSQL stopped: ", test.cause)
			if !strings.Contains(p.Next, test.next) || (test.next == "") != (p.Next == "") {
				t.Errorf("next is %q", p.Next)
			}
		})
	}
}

func TestSettingsOfTheUserWin(t *testing.T) {
	arguments := server.ServerArgs(server.Config{DataDir: "/data", Port: 5433, Settings: map[string]string{"shared_buffers": "1GB"}})
	for _, want := range []string{"shared_buffers=1GB", "fsync=on", "listen_addresses=127.0.0.1", "port=5433"} {
		if !slices.Contains(arguments, want) {
			t.Errorf("%q is not among %q", want, arguments)
		}
	}
}
