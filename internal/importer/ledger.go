package importer

import (
	"fmt"
	"time"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// checkpointEvery is how much work, in time, a kill can make the next run
// repeat.
const checkpointEvery = 200 * time.Millisecond

// ledger settles chunks in the file's order: it keeps rejects and checkpoint.
type ledger struct {
	opts    Options
	src     *source
	file    *checkpointFile
	rejects *rejectFile // nil: only checking
	saved   checkpoint  // what is settled; on disk as of savedAt
	savedAt time.Time
	began   time.Time

	resumed int64 // first line of this run, where an earlier one settled some
	skipped int64 // bytes read before the first line of this run
	thisRun Counts
	tooOld  int64
}

func openLedger(opts Options, src *source) (*ledger, error) {
	l := &ledger{opts: opts, src: src, began: opts.Now(), savedAt: opts.Now()}
	l.saved = checkpoint{Version: checkpointVersion}
	if opts.Send == nil {
		return l, nil
	}
	identity, err := src.identity(opts.Target)
	if err != nil {
		return nil, unreadable(opts.Path, err)
	}
	if l.file, err = openCheckpoint(opts.CheckpointDir, identity); err != nil {
		return nil, err
	}
	if !opts.Restart {
		if l.saved, err = l.file.load(); err != nil {
			l.close()
			return nil, err
		}
	}
	if l.saved.Position.Line > 0 {
		l.resumed = l.saved.Position.Line + 1
		if opts.rejectsChosen && opts.RejectPath != l.saved.RejectPath {
			l.saved.RejectSize = 0 // the rejects so far stay in the file they are in
		} else {
			l.opts.RejectPath = l.saved.RejectPath
		}
	}
	l.saved.Path, l.saved.Target, l.saved.RejectPath = src.path, opts.Target, l.opts.RejectPath
	if l.saved.Complete {
		return l, nil
	}
	if l.rejects, err = openRejects(l.opts.RejectPath, l.saved.RejectSize); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// settle notes the fate of the chunk that ends at end. With an error the chunk
// counts as never looked at.
func (l *ledger) settle(end position, s settlement) error {
	if s.err != nil {
		return s.err
	}
	if l.rejects != nil {
		if err := l.rejects.append(s.rejects); err != nil {
			return err
		}
		l.saved.RejectSize = l.rejects.size
	}
	l.saved.Position = end
	l.saved.Counts = l.saved.Counts.Plus(s.counts)
	l.thisRun = l.thisRun.Plus(s.counts)
	l.tooOld += s.tooOld
	for _, reject := range s.rejects {
		l.opts.OnReject(reject)
	}
	now := l.opts.Now()
	l.opts.Progress(Progress{
		Bytes: l.src.read.Load(), Skipped: l.skipped, Size: l.src.size,
		Line: end.Line, ThisRun: l.thisRun, Elapsed: now.Sub(l.began),
	})
	if l.opts.MaxErrors >= 0 && l.thisRun.Rejected > int64(l.opts.MaxErrors) {
		return &problem.Error{
			What: fmt.Sprintf("the import of %s stopped at line %d: %d lines are rejected, --max-errors allows %d", l.opts.Path, end.Line, l.thisRun.Rejected, l.opts.MaxErrors),
			Next: "look at the rejected lines; run the same command again to go on after them",
		}
	}
	if now.Sub(l.savedAt) < checkpointEvery {
		return nil
	}
	return l.save()
}

// save makes durable what is settled: the rejects before the checkpoint that
// counts them.
func (l *ledger) save() error {
	if l.rejects != nil {
		if err := l.rejects.sync(); err != nil {
			return err
		}
	}
	l.saved.UpdatedAt = l.opts.Now().UTC()
	l.savedAt = l.opts.Now()
	return l.file.save(l.saved)
}

// finish saves what is settled at the end of a run; at is the end of the file
// where all of it is.
func (l *ledger) finish(complete bool, at position) error {
	if complete {
		l.saved.Complete, l.saved.Position = true, at
	}
	return l.save()
}

func (l *ledger) summary() Summary {
	s := Summary{
		File: l.src.path, Lines: l.saved.Position.Line, Counts: l.saved.Counts, ThisRun: l.thisRun,
		ResumedAtLine: l.resumed, Complete: l.saved.Complete, TooOld: l.tooOld,
		Seconds: l.opts.Now().Sub(l.began).Seconds(),
	}
	if l.saved.RejectSize > 0 {
		s.RejectFile = l.saved.RejectPath
	}
	return s
}

func (l *ledger) close() {
	if l.rejects != nil {
		_ = l.rejects.close()
	}
	_ = l.file.close()
}
