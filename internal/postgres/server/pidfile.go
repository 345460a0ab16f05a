package server

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// pidFile is PostgreSQL's lock file, postmaster.pid.
type pidFile struct {
	PID   int
	Ready bool // the server accepts connections, a standby those that only read
}

func pidFilePath(dataDir string) string { return filepath.Join(dataDir, "postmaster.pid") }

// readPIDFile reads the lock file of the data directory. PostgreSQL writes it
// line by line while it starts, so that later lines may not be there yet.
func readPIDFile(dataDir string) (pidFile, error) {
	content, err := os.ReadFile(pidFilePath(dataDir))
	if err != nil {
		return pidFile{}, err
	}
	const statusLine = 7 // from 0; LOCK_FILE_LINE_PM_STATUS in miscadmin.h
	lines := strings.Split(string(content), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(lines[0]))
	if err != nil {
		return pidFile{}, err
	}
	file := pidFile{PID: pid}
	if len(lines) > statusLine {
		status := strings.TrimSpace(lines[statusLine])
		file.Ready = status == "ready" || status == "standby"
	}
	return file, nil
}
