//go:build linux

package pods

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"
)

// logFile is a container's log in the format of the container runtime
// interface: each line with its time and stream.
type logFile struct {
	mu   sync.Mutex
	file *os.File
	last string // line, for a message of a container that ended
}

func openLog(path string) (*logFile, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	return &logFile{file: file}, nil
}

func (l *logFile) line(stream, flag, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(l.file, "%s %s %s %s\n", time.Now().UTC().Format(time.RFC3339Nano), stream, flag, text)
	if strings.TrimSpace(text) != "" {
		l.last = text
	}
}

func (l *logFile) close() { l.file.Close() }

// stream is one of the outputs of a process.
type stream struct {
	log  *logFile
	name string
	rest []byte // of a line whose end has not come
}

// longestLine is where the container runtime interface cuts a line.
const longestLine = 16 << 10

func (s *stream) Write(p []byte) (int, error) {
	s.rest = append(s.rest, p...)
	for {
		end := bytes.IndexByte(s.rest, '\n')
		switch {
		case end >= 0:
			s.log.line(s.name, "F", string(s.rest[:end]))
			s.rest = s.rest[end+1:]
		case len(s.rest) > longestLine:
			s.log.line(s.name, "P", string(s.rest[:longestLine]))
			s.rest = s.rest[longestLine:]
		default:
			return len(p), nil
		}
	}
}

// flush writes what had no end.
func (s *stream) flush() {
	if len(s.rest) > 0 {
		s.log.line(s.name, "F", string(s.rest))
		s.rest = nil
	}
}
