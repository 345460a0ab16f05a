package logs

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// rotatedName is the name lumberjack gives to a file it rotated away.
var rotatedName = regexp.MustCompile(`^(.+)-\d{4}-\d{2}-\d{2}T\d{2}-\d{2}-\d{2}\.\d{3}\.log(\.gz)?$`)

// serviceOf returns the service whose log the file is; empty if it is no log.
func serviceOf(name string) string {
	if match := rotatedName.FindStringSubmatch(name); match != nil {
		return match[1]
	}
	if service, found := strings.CutSuffix(name, ".log"); found && !strings.HasPrefix(name, ".") {
		return service
	}
	return ""
}

// services lists the services that have a log, sorted.
func services(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var found []string
	for _, entry := range entries {
		if service := serviceOf(entry.Name()); service != "" && !slices.Contains(found, service) {
			found = append(found, service)
		}
	}
	slices.Sort(found)
	return found, nil
}

// currentPath is the file that the service writes.
func currentPath(dir, service string) string { return filepath.Join(dir, service+".log") }

// chain lists the files of a service's log that exist, the oldest first; the
// last is the one being written.
func chain(dir, service string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var rotated []string
	current := false
	for _, entry := range entries {
		if serviceOf(entry.Name()) != service {
			continue
		}
		if entry.Name() == service+".log" {
			current = true
			continue
		}
		rotated = append(rotated, filepath.Join(dir, entry.Name()))
	}
	slices.Sort(rotated) // the names hold the time of rotation
	if current {
		rotated = append(rotated, currentPath(dir, service))
	}
	return rotated, nil
}

// lines collects lines, the last ones only where most is not -1.
type lines struct {
	most int
	kept [][]byte
}

func (l *lines) add(line []byte) {
	l.kept = append(l.kept, line)
	if l.most >= 0 && len(l.kept) > 2*l.most {
		l.kept = slices.Clone(l.kept[len(l.kept)-l.most:])
	}
}

// longestLine is how many bytes of a line are read; the rest is left out.
const longestLine = 1 << 20

// readLines calls yield with each whole line of r, without its end, and returns
// the number of bytes of those lines. A last line without an end is only
// yielded if all is set: it may still be being written.
func readLines(r io.Reader, all bool, yield func(line []byte)) (int64, error) {
	reader := bufio.NewReaderSize(r, 64<<10)
	var read int64
	var line []byte
	var size int64
	for {
		part, err := reader.ReadSlice('\n')
		size += int64(len(part))
		if room := longestLine - len(line); room > 0 {
			line = append(line, part[:min(room, len(part))]...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err == nil, errors.Is(err, io.EOF) && all && len(line) > 0:
			read += size
			yield(bytes.Clone(bytes.TrimRight(line, "\r\n")))
			line, size = line[:0], 0
		}
		if errors.Is(err, io.EOF) {
			return read, nil
		}
		if err != nil {
			return read, err
		}
	}
}

// openLog opens a file of a chain, unpacked if it is packed.
func openLog(path string) (io.ReadCloser, error) {
	file, err := os.Open(path)
	if err != nil || !strings.HasSuffix(path, ".gz") {
		return file, err
	}
	unpacked, err := gzip.NewReader(file)
	if err != nil {
		file.Close()
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{unpacked, file}, nil
}
