package engine

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// Journal is the append-only file that tells what was done to an environment:
// one JSON record a line. It is the audit trail, and what a run resumes from.
// One process may append at a time (see AcquireLock); any number may read.
type Journal struct {
	path string

	mu    sync.Mutex
	file  *os.File // open once something was appended
	write func(*os.File, []byte) error
}

// OpenJournal returns the journal kept in the file path. The file and its
// folder are made by the first Append, so that to look changes nothing.
func OpenJournal(path string) (*Journal, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, &problem.Error{What: "the journal " + path + " is not a file", Next: "move it away"}
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, unreadable(path, err)
	}
	return &Journal{path: path, write: writeSynced}, nil
}

// Path is the journal's file.
func (j *Journal) Path() string { return j.path }

// Append writes one record and returns when it is on disk. A line that an
// earlier process left unfinished is ended first; nothing is ever deleted.
func (j *Journal) Append(record Record) error {
	line, err := json.Marshal(journalLine{record, record.Elapsed.Seconds()})
	if err != nil {
		return unwritable(j.path, err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.open(); err != nil {
		return unwritable(j.path, err)
	}
	torn, err := endsTorn(j.file)
	if err != nil {
		return unwritable(j.path, err)
	}
	if torn {
		line = append([]byte{'\n'}, line...)
	}
	if err := j.write(j.file, append(line, '\n')); err != nil {
		return unwritable(j.path, err)
	}
	return nil
}

// journalLine is a Record as it stands in the file.
type journalLine struct {
	Record
	ElapsedSeconds float64 `json:"elapsedSeconds,omitempty"`
}

func (j *Journal) open() error {
	if j.file != nil {
		return nil
	}
	dir := filepath.Dir(j.path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	_, missing := os.Stat(j.path)
	file, err := os.OpenFile(j.path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if missing != nil {
		syncDir(dir)
	}
	j.file = file
	return nil
}

// writeSynced appends data in a single write, and syncs it.
func writeSynced(file *os.File, data []byte) error {
	if _, err := file.Write(data); err != nil {
		return err
	}
	return file.Sync()
}

// syncDir makes a new file's name durable, where the system can.
func syncDir(path string) {
	if dir, err := os.Open(path); err == nil {
		_ = dir.Sync() // not every file system knows it
		_ = dir.Close()
	}
}

// endsTorn reports whether the file's last line has no end.
func endsTorn(file *os.File) (bool, error) {
	info, err := file.Stat()
	if err != nil || info.Size() == 0 {
		return false, err
	}
	last := make([]byte, 1)
	if _, err := file.ReadAt(last, info.Size()-1); err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	return last[0] != '\n', nil
}

// Close gives the file back. A later Append opens it again.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.file == nil {
		return nil
	}
	err := j.file.Close()
	j.file = nil
	return err
}

// Records returns all records that can be read, oldest first. See Read for
// those that cannot.
func (j *Journal) Records() ([]Record, error) {
	log, err := j.Read()
	return log.Records, err
}

// Log is what a journal holds.
type Log struct {
	Records []Record // oldest first
	// Damaged are the numbers, from 1, of the lines that are no record: cut off
	// by a kill or a power failure, or damaged since.
	Damaged []int
}

// Read reads the journal; one that does not exist is empty. A damaged line is
// noted and passed over.
func (j *Journal) Read() (Log, error) {
	data, err := j.data()
	return parseLog(data), err
}

// data is all that the journal's file holds.
func (j *Journal) data() ([]byte, error) {
	data, err := os.ReadFile(j.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, unreadable(j.path, err)
	}
	return data, nil
}

func parseLog(data []byte) Log {
	log := Log{Records: make([]Record, 0, bytes.Count(data, []byte{'\n'})+1)}
	number := 0
	for line := range bytes.Lines(data) {
		number++
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		if record, ok := parseRecord(line); ok {
			log.Records = append(log.Records, record)
		} else {
			log.Damaged = append(log.Damaged, number)
		}
	}
	return log
}

func parseRecord(line []byte) (Record, bool) {
	var parsed journalLine
	if err := json.Unmarshal(line, &parsed); err != nil {
		return Record{}, false
	}
	record := parsed.Record
	record.Elapsed = seconds(parsed.ElapsedSeconds)
	return record, record.Run != "" && record.Status != ""
}

func unreadable(path string, err error) error {
	return &problem.Error{What: "the journal " + path + " cannot be read", Cause: err, Next: "make it readable for this user"}
}

func unwritable(path string, err error) error {
	next := "make sure that this user can write " + path + ", then run the command again"
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		next = "free some space on the disk of " + path + ", then run the command again"
	}
	return &problem.Error{What: "the journal cannot be written; nothing is done that is not recorded", Cause: err, Next: next}
}
