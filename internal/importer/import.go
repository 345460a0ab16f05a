package importer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/pkg/event"
)

// Status is what became of one event.
type Status string

const (
	Stored    Status = "stored"
	Duplicate Status = "duplicate" // was stored before
	Rejected  Status = "rejected"
)

// Outcome is the service's answer to one event.
type Outcome struct {
	Status Status
	Fields []event.FieldError // why it was rejected
}

// Sender hands events to the service and returns an outcome for each, in
// order. It tries again what may succeed later; its error ends the import.
type Sender func(ctx context.Context, events []event.Event) ([]Outcome, error)

// Options say what to import and how.
type Options struct {
	Path      string            // a file, or Stdin
	Stdin     io.Reader         // read where Path is Stdin
	Format    Format            // empty: by the file's name
	Delimiter byte              // of CSV; 0: a comma
	Map       map[string]string // of CSV: header name to field of an event, see newColumns

	Send        Sender      // nil: only check the lines
	Target      string      // names the service, so that each has its own checkpoint
	Rules       event.Rules // what an event must keep to
	Connections int         // batches on their way at a time; at least 1

	CheckpointDir string // empty: none is kept
	Restart       bool   // begin at the first line, whatever the checkpoint says
	RejectPath    string // empty: where an earlier run of this import put them, else beside the file, with .rejects.ndjson after its name
	MaxErrors     int    // rejected lines after which to stop; negative: no limit

	Progress func(Progress) // may be nil; called from one goroutine
	OnReject func(Reject)   // may be nil; called from one goroutine, in the file's order
	Now      func() time.Time
	Grace    time.Duration // how long batches on their way may take to end after ctx did

	chunkRecords  int  // of a chunk, at most; 0: chunkRecords
	rejectsChosen bool // RejectPath was given
}

// Counts are numbers of events; blank lines are none.
type Counts struct {
	Stored     int64 `json:"stored"`
	Duplicates int64 `json:"duplicates"`      // stored before
	Rejected   int64 `json:"rejected"`        // in the reject file
	Valid      int64 `json:"valid,omitempty"` // only checked
}

// Total is how many events these are.
func (c Counts) Total() int64 { return c.Stored + c.Duplicates + c.Rejected + c.Valid }

// Plus returns the sum of both.
func (c Counts) Plus(more Counts) Counts {
	return Counts{
		Stored: c.Stored + more.Stored, Duplicates: c.Duplicates + more.Duplicates,
		Rejected: c.Rejected + more.Rejected, Valid: c.Valid + more.Valid,
	}
}

// Progress is how far an import is.
type Progress struct {
	Bytes   int64         `json:"bytes"`          // read from the file, as stored
	Skipped int64         `json:"-"`              // of Bytes: settled by an earlier run
	Size    int64         `json:"size,omitempty"` // of the file; 0: not known
	Line    int64         `json:"line"`           // the last one settled
	ThisRun Counts        `json:"thisRun"`
	Elapsed time.Duration `json:"-"`
}

// Left estimates how long the rest takes; false: too early to tell.
func (p Progress) Left() (time.Duration, bool) {
	done := p.Bytes - p.Skipped
	if p.Size == 0 || done <= 0 || p.Elapsed < time.Second {
		return 0, false
	}
	left := float64(p.Elapsed) * float64(max(p.Size-p.Bytes, 0)) / float64(done)
	return time.Duration(min(left, float64(1000*time.Hour))), true
}

// Summary is what an import did, earlier interrupted runs included.
type Summary struct {
	File          string  `json:"file"`
	Lines         int64   `json:"lines"` // settled, blank ones and a CSV header included
	Counts                // all runs together
	ThisRun       Counts  `json:"thisRun"`
	ResumedAtLine int64   `json:"resumedAtLine,omitempty"` // the first line this run looked at, where it is not the first of the file
	Complete      bool    `json:"complete"`
	RejectFile    string  `json:"rejectFile,omitempty"` // where the rejected lines are, if there are any
	TooOld        int64   `json:"tooOld,omitempty"`     // of this run's rejected: before the accepted window
	Seconds       float64 `json:"seconds"`
}

// Run imports one file. It returns what was done also with an error, which is
// a *problem.Error, or that of ctx when it was cancelled. Rejected lines alone
// are no error.
func Run(ctx context.Context, opts Options) (Summary, error) {
	opts.setDefaults()
	src, err := open(opts.Path, opts.Stdin)
	if err != nil {
		return Summary{File: opts.Path}, err
	}
	defer func() { _ = src.close() }() // it was only read
	l, err := openLedger(opts, src)
	if err != nil {
		return Summary{File: opts.Path}, err
	}
	defer l.close()
	frames, decoder, err := begin(opts, src, l.saved.Position)
	if err != nil {
		return l.summary(), err
	}
	l.skipped = src.read.Load()
	if !l.saved.Complete {
		err = run(ctx, opts, frames, decoder, l)
	}
	return l.summary(), err
}

func (o *Options) setDefaults() {
	o.Connections = max(o.Connections, 1)
	if o.chunkRecords == 0 {
		o.chunkRecords = chunkRecords
	}
	if o.Format == "" {
		o.Format = FormatOf(o.Path)
	}
	if o.Delimiter == 0 {
		o.Delimiter = ','
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.rejectsChosen = o.RejectPath != ""
	if !o.rejectsChosen {
		o.RejectPath = "stdin.rejects.ndjson"
		if o.Path != Stdin {
			o.RejectPath = o.Path + ".rejects.ndjson"
		}
	}
	if absolute, err := filepath.Abs(o.RejectPath); err == nil {
		o.RejectPath = absolute
	}
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
	if o.OnReject == nil {
		o.OnReject = func(Reject) {}
	}
}

// framer cuts a file into records.
type framer interface {
	next() (record, bool)
}

// frames are the records of a file, and the lines they are cut from.
type frames struct {
	framer
	lines *lineReader
	first *record // to be returned before the framer's next
}

func (f *frames) next() (record, bool) {
	if f.first != nil {
		r := *f.first
		f.first = nil
		return r, true
	}
	return f.framer.next()
}

// begin reads what stands at the start of a file, and goes to where it was left.
func begin(opts Options, src *source, at position) (*frames, *lineDecoder, error) {
	f := &frames{lines: newLineReader(src)}
	f.framer = f.lines
	decoder := &lineDecoder{events: event.NewDecoder(opts.Rules), now: opts.Now}
	sum := sha256.New()
	if opts.Format == CSV {
		f.framer = &csvReader{lines: f.lines, delimiter: opts.Delimiter}
		header, found, err := firstRecord(f.framer)
		if err != nil {
			return nil, nil, err
		}
		if found {
			sum.Write(header.text)
			if decoder.columns, err = newColumns(header.fields, opts.Map); err != nil {
				return nil, nil, err
			}
		}
	}
	if first, ok := nextRecord(f.framer); ok {
		sum.Write(first.text)
		f.first = &first
	}
	sum.Sum(decoder.file[:0])
	if at.Line == 0 {
		return f, decoder, nil
	}
	f.first = nil
	if opts.Format == CSV {
		f.framer = &csvReader{lines: f.lines, delimiter: opts.Delimiter}
	}
	if err := f.lines.skipTo(at); err != nil {
		return nil, nil, damaged(opts.Path, at.Line, err)
	}
	return f, decoder, nil
}

func firstRecord(from framer) (record, bool, error) {
	header, ok := nextRecord(from)
	if ok && header.defect != "" {
		return header, ok, badHeader("cannot be read: it "+header.defect, "correct the first line of the file")
	}
	return header, ok, nil
}

// nextRecord returns the next record that is not blank.
func nextRecord(from framer) (record, bool) {
	for {
		r, ok := from.next()
		if !ok || len(bytes.TrimSpace(r.text)) > 0 {
			return r, ok
		}
	}
}

func damaged(path string, line int64, cause error) error {
	return &problem.Error{
		What: fmt.Sprintf("%s cannot be read after line %d", path, line), Cause: withoutPath(cause),
		Next: "the lines before are imported; get an undamaged copy and import it: they are not stored twice",
	}
}
