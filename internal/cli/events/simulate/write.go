package simulate

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/gamemetrics/gmctl/internal/humanize"
	"github.com/gamemetrics/gmctl/internal/problem"
)

// write writes the events as NDJSON, without ids and without waiting: they are
// stamped as if they had been sent at the rate.
func write(ctx context.Context, opts *Options) error {
	var to io.Writer = opts.IO.Out
	name := "standard output"
	if opts.Out != "" {
		name = opts.Out
		file, err := os.Create(opts.Out)
		if err != nil {
			return unwritten(name, err)
		}
		defer file.Close()
		to = file
	}
	buffered := bufio.NewWriterSize(to, 256<<10)
	n, err := opts.writeTo(ctx, buffered)
	if err == nil {
		err = buffered.Flush()
	}
	if file, ok := to.(*os.File); ok && opts.Out != "" && err == nil {
		err = file.Close()
	}
	if err != nil {
		return unwritten(name, err)
	}
	if opts.Out != "" {
		fmt.Fprintf(opts.IO.Err, "%s events of seed %d written to %s\n", humanize.Count(n), opts.Seed, opts.Out)
	}
	return nil
}

func unwritten(name string, err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	return &problem.Error{What: "the events cannot be written to " + name, Cause: err, Next: "make room or name another file with --out"}
}

func (o *Options) writeTo(ctx context.Context, to io.Writer) (int64, error) {
	next, began := o.source(), o.Now()
	count := o.Count
	if planned := int64(o.Duration.Seconds() * o.Rate); count == 0 && o.Duration > 0 {
		count = planned
	}
	var line []byte
	n := int64(0)
	for ; count == 0 || n < count; n++ {
		due := began
		if o.Rate > 0 {
			due = began.Add(time.Duration(float64(n) / o.Rate * float64(time.Second)))
		}
		e, more := next(due)
		if !more {
			break
		}
		var err error
		if line, err = e.AppendJSON(line[:0]); err != nil {
			return n, err
		}
		if _, err := to.Write(append(line, '\n')); err != nil {
			return n, err
		}
		if n%1024 == 0 && ctx.Err() != nil {
			return n, ctx.Err()
		}
	}
	return n, nil
}
