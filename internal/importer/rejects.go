package importer

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"unicode/utf8"

	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/pkg/event"
)

// Reject is a line that was not imported: one line of the reject file.
type Reject struct {
	Line   int64              `json:"line"` // in the imported file, from 1
	Reason string             `json:"reason"`
	Fields []event.FieldError `json:"fields,omitempty"`
	// Text is the line as it was, without its end. TextBase64 stands in its
	// place where the line is not UTF-8. Of a line over MaxRecord only the
	// beginning is kept, and Bytes says how long it was.
	Text       string `json:"text,omitempty"`
	TextBase64 []byte `json:"textBase64,omitempty"`
	Bytes      int64  `json:"bytes,omitempty"`
}

func newReject(r record, cause error) Reject {
	reject := Reject{Line: r.line, Reason: cause.Error()}
	if invalid, ok := errors.AsType[*event.Invalid](cause); ok {
		reject.Fields = invalid.Fields
	}
	if utf8.Valid(r.text) {
		reject.Text = string(r.text)
	} else {
		reject.TextBase64 = r.text
	}
	if r.length > int64(len(r.text)) {
		reject.Bytes = r.length
	}
	return reject
}

// rejectFile keeps the rejected lines. It appears with the first of them.
type rejectFile struct {
	path string
	file *os.File // nil before the first reject
	size int64
}

// openRejects continues the reject file at path after its first size bytes,
// or begins a new one where size is 0. It replaces a reject file, nothing else.
func openRejects(path string, size int64) (*rejectFile, error) {
	r := &rejectFile{path: path, size: size}
	if size == 0 {
		return r, r.discardOld()
	}
	info, err := os.Stat(path)
	if err == nil && info.Size() < size {
		err = errors.New("it is shorter than when the import was interrupted")
	}
	if err != nil {
		return nil, &problem.Error{
			What: "the reject file " + path + " cannot be continued", Cause: withoutPath(err),
			Next: "put it back, or begin again with --restart: lines that are stored already are not stored twice",
		}
	}
	return r, r.open()
}

// discardOld removes the reject file of an earlier import.
func (r *rejectFile) discardOld() error {
	file, err := os.Open(r.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return r.problem(err)
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return err // a device or a pipe: nothing to replace
	}
	first, _ := bufio.NewReader(file).ReadSlice('\n')
	if len(first) > 0 && !bytes.HasPrefix(first, []byte(`{"line":`)) {
		return &problem.Error{
			What: r.path + " is not a reject file, and would be replaced by one",
			Next: "move it away, or name another file with --rejects", Kind: problem.Usage,
		}
	}
	if err := os.Remove(r.path); err != nil {
		return r.problem(err)
	}
	return nil
}

func (r *rejectFile) open() error {
	file, err := os.OpenFile(r.path, os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return r.problem(err)
	}
	r.file = file
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return err
	}
	if err := file.Truncate(r.size); err != nil {
		return r.problem(err)
	}
	if _, err := file.Seek(r.size, io.SeekStart); err != nil {
		return r.problem(err)
	}
	return nil
}

// append writes rejects; they are durable after sync.
func (r *rejectFile) append(rejects []Reject) error {
	if len(rejects) == 0 {
		return nil
	}
	if r.file == nil {
		if err := r.open(); err != nil {
			return err
		}
	}
	var lines bytes.Buffer
	encoder := json.NewEncoder(&lines)
	encoder.SetEscapeHTML(false)
	for _, reject := range rejects {
		if err := encoder.Encode(reject); err != nil {
			return r.problem(fmt.Errorf("line %d: %w", reject.Line, err))
		}
	}
	written, err := r.file.Write(lines.Bytes())
	if err != nil {
		return r.problem(err)
	}
	r.size += int64(written)
	return nil
}

// sync makes what was appended durable.
func (r *rejectFile) sync() error {
	if r.file == nil {
		return nil
	}
	if info, err := r.file.Stat(); err != nil || !info.Mode().IsRegular() {
		return err
	}
	if err := r.file.Sync(); err != nil {
		return r.problem(err)
	}
	return nil
}

func (r *rejectFile) problem(cause error) error {
	return &problem.Error{
		What: "rejected lines cannot be written to " + r.path, Cause: withoutPath(cause),
		Next: "make room, or name another file with --rejects, and run the same command again: it goes on where it stopped, and nothing is stored twice",
	}
}

func (r *rejectFile) close() error {
	if r.file == nil {
		return nil
	}
	return r.file.Close()
}
