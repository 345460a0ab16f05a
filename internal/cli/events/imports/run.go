package imports

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/gamemetrics/gmctl/internal/cli/events/service"
	"github.com/gamemetrics/gmctl/internal/cli/events/statusline"
	"github.com/gamemetrics/gmctl/internal/humanize"
	"github.com/gamemetrics/gmctl/internal/importer"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/render"
)

// Result is what the command prints at its end.
type Result struct {
	URL    string             `json:"url,omitempty"` // left out by --dry-run
	Files  []importer.Summary `json:"files"`
	Totals importer.Counts    `json:"totals"`
}

// shownRejects is how many rejected lines of a file are told while it runs;
// all of them are in the reject file.
const shownRejects = 5

func run(ctx context.Context, opts *Options) error {
	base, err := opts.importing()
	if err != nil {
		return err
	}
	if at := slices.Index(opts.Files, importer.Stdin); at >= 0 && slices.Contains(opts.Files[at+1:], importer.Stdin) {
		return &problem.Error{What: "standard input can be imported once", Next: "leave out all - but one", Kind: problem.Usage}
	}
	for _, path := range opts.Files {
		if err := importer.Readable(path); err != nil {
			return err
		}
	}
	status, err := statusline.New(opts.IO, opts.LogFormat, opts.Now)
	if err != nil {
		return err
	}
	defer status.Close()
	result := Result{}
	if !opts.DryRun {
		to, err := opts.Service(ctx)
		if err != nil {
			return err
		}
		result.URL, base.Target = to.URL, to.URL
		if base.Send, err = service.ImportSender(to, opts.Connections, trouble(status, opts.Now)); err != nil {
			return err
		}
	}
	var failed error
	for _, path := range opts.Files {
		var summary importer.Summary
		if summary, failed = opts.file(ctx, base, path, status); summary.Lines > 0 || failed == nil {
			result.Files = append(result.Files, summary)
		}
		if failed != nil {
			break
		}
	}
	status.Close()
	for _, file := range result.Files {
		result.Totals = result.Totals.Plus(file.Counts)
	}
	if len(result.Files) > 0 {
		if err := result.print(opts); err != nil {
			return err
		}
	}
	if failed != nil {
		return interrupted(failed)
	}
	return result.verdict()
}

// file imports one file.
func (o *Options) file(ctx context.Context, base importer.Options, path string, status *statusline.Line) (importer.Summary, error) {
	base.Path = path
	name := filepath.Base(path)
	if path == importer.Stdin {
		name = "standard input"
	}
	rejected := 0
	base.OnReject = func(r importer.Reject) {
		switch rejected++; {
		case rejected <= shownRejects:
			status.Warn(fmt.Sprintf("%s line %d: %s", name, r.Line, render.OneLine(r.Reason)))
		case rejected == shownRejects+1:
			status.Warn("further rejected lines are not shown here")
		}
	}
	base.Progress = func(p importer.Progress) { status.Progress(progress(name, p), p) }
	summary, err := importer.Run(ctx, base)
	if err == nil && summary.ThisRun.Total() == 0 && summary.Total() > 0 {
		status.Note(fmt.Sprintf("%s was imported before: nothing to do (--restart imports it again)", name))
	} else if summary.ResumedAtLine > 0 {
		status.Note(fmt.Sprintf("%s went on at line %s", name, humanize.Count(summary.ResumedAtLine)))
	}
	return summary, err
}

func progress(name string, p importer.Progress) string {
	rate := 0.0
	if seconds := p.Elapsed.Seconds(); seconds > 0 {
		rate = float64(p.ThisRun.Total()) / seconds
	}
	text := fmt.Sprintf("%s  %s", name, humanize.Bytes(p.Bytes))
	if p.Size > 0 {
		text = fmt.Sprintf("%s  %d%% of %s", name, min(100*p.Bytes/p.Size, 100), humanize.Bytes(p.Size))
	}
	text += fmt.Sprintf("  %s events  %s/s", humanize.Count(p.ThisRun.Total()), humanize.Count(int64(rate)))
	if p.ThisRun.Rejected > 0 {
		text += fmt.Sprintf("  %s rejected", humanize.Count(p.ThisRun.Rejected))
	}
	if left, ok := p.Left(); ok {
		text += "  " + humanize.Duration(left.Round(time.Second)) + " left"
	}
	return text
}

// trouble returns what tells why a batch has to be sent again, now and then.
func trouble(status *statusline.Line, now func() time.Time) func(error) {
	var mu sync.Mutex
	var told time.Time
	return func(cause error) {
		mu.Lock()
		defer mu.Unlock()
		if now().Sub(told) < 10*time.Second {
			return
		}
		told = now()
		status.Warn("waiting for the service: " + render.OneLine(cause.Error()))
	}
}

// interrupted tells how to go on after Ctrl-C.
func interrupted(err error) error {
	if !errors.Is(err, context.Canceled) {
		return err
	}
	return &problem.Error{
		What: "the import was interrupted", Next: "run the same command again: it goes on where it stopped, and nothing is stored twice",
		Kind: problem.Cancelled,
	}
}

func (r *Result) print(opts *Options) error {
	if opts.Output != render.Table {
		return render.Document(opts.IO.Out, opts.Output, "Import", r)
	}
	table := render.NewTable(opts.IO, "FILE", "LINES", "STORED", "DUPLICATES", "REJECTED", "TIME")
	if opts.DryRun {
		table = render.NewTable(opts.IO, "FILE", "LINES", "VALID", "REJECTED", "TIME")
	}
	table.AlignRight(1, 2, 3, 4, 5)
	for _, file := range r.Files {
		cells := []string{filepath.Base(file.File), humanize.Count(file.Lines)}
		if opts.DryRun {
			cells = append(cells, humanize.Count(file.Valid))
		} else {
			cells = append(cells, humanize.Count(file.Stored), humanize.Count(file.Duplicates))
		}
		table.Row(append(cells, humanize.Count(file.Rejected), humanize.Duration(time.Duration(file.Seconds*float64(time.Second))))...)
	}
	return table.Flush()
}

// verdict is an error if lines were rejected.
func (r *Result) verdict() error {
	if r.Totals.Rejected == 0 {
		return nil
	}
	p := &problem.Error{
		What: fmt.Sprintf("%s of %s events were rejected", humanize.Count(r.Totals.Rejected), humanize.Count(r.Totals.Total())),
		Next: "correct the lines that are named above",
	}
	tooOld := int64(0)
	for _, file := range r.Files {
		if tooOld += file.TooOld; file.RejectFile != "" {
			p.Next = "look at " + file.RejectFile
		}
	}
	if tooOld > 0 {
		p.Cause = fmt.Errorf("%s of them are older than the service accepts", humanize.Count(tooOld))
		p.Next += "; to accept older events raise the service's --max-age (environments.NAME.local.ingestion.maxAge in gmctl.yaml)"
	}
	return p
}
