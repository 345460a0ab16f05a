package simulate

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gamemetrics/gmctl/internal/cli/events/statusline"
	"github.com/gamemetrics/gmctl/internal/humanize"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/render"
	"github.com/gamemetrics/gmctl/internal/simulate/drive"
	"github.com/gamemetrics/gmctl/pkg/event"
)

// Report is what the command prints at its end.
type Report struct {
	Seed    uint64 `json:"seed"`
	Players int    `json:"players"`
	URL     string `json:"url"`
	drive.Report
}

func send(ctx context.Context, opts *Options) error {
	to, err := opts.Service(ctx)
	if err != nil {
		return err
	}
	status, err := statusline.New(opts.IO, opts.LogFormat, opts.Now)
	if err != nil {
		return err
	}
	defer status.Close()
	var tally drive.Tally
	sender, err := opts.Sender(to, opts.Connections, tally.Retry)
	if err != nil {
		return err
	}
	next := opts.source()
	status.Note(opts.begins(to.URL))

	stop := watch(opts, &tally, status)
	drive.Run(ctx, drive.Options{
		Next: func(due time.Time) (event.Event, bool) {
			e, more := next(due)
			e.EventID = event.NewID(due)
			return e, more
		},
		Send: sender, Rate: opts.Rate, Count: opts.Count, Duration: opts.Duration, Warmup: opts.Warmup,
		Connections: opts.Connections, Batch: opts.Batch, Grace: Grace, Patience: patience,
	}, &tally)
	stop()
	status.Close()

	report := Report{Seed: opts.Seed, Players: opts.Players, URL: to.URL, Report: tally.Report(opts.Rate)}
	if err := report.print(opts); err != nil {
		return err
	}
	if opts.Rate > 0 && report.AchievedRate < 0.95*opts.Rate && report.Seconds > 1 && ctx.Err() == nil {
		status.Warn(fmt.Sprintf("%s of %s events/s achieved: the service or this machine does no more; try --batch 100, or see gmctl status",
			humanize.Count(int64(report.AchievedRate)), humanize.Count(int64(opts.Rate))))
	}
	return report.verdict(ctx, opts)
}

func (o *Options) begins(url string) string {
	pace := "as fast as they are stored"
	if o.Rate > 0 {
		pace = fmt.Sprintf("at %s/s", humanize.Quantity(o.Rate, "events"))
	}
	until := "until Ctrl-C"
	switch {
	case o.Count > 0:
		until = humanize.Count(o.Count) + " in all"
	case o.Duration > 0:
		until = "for " + humanize.Duration(o.Duration)
	case o.History > 0:
		until = "of the past " + humanize.Duration(o.History)
	}
	return fmt.Sprintf("%s players (seed %d) send events to %s, %s, %s", humanize.Count(int64(o.Players)), o.Seed, url, pace, until)
}

// watch tells how the run goes until the returned function is called.
func watch(opts *Options, tally *drive.Tally, status *statusline.Line) (stop func()) {
	every := 10 * time.Second
	if status.Live() {
		every = 500 * time.Millisecond
	}
	done := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		began := opts.Now()
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
			}
			look := tally.Look()
			status.Progress(live(look, opts.Now().Sub(began), opts.Duration), look)
		}
	})
	return func() {
		close(done)
		watching.Wait()
	}
}

func live(look drive.Recent, elapsed, of time.Duration) string {
	clock := humanize.Duration(elapsed.Truncate(time.Second))
	if of > 0 {
		clock += " of " + humanize.Duration(of)
	}
	text := fmt.Sprintf("%s  %s events/s  p50 %s  p99 %s  max %s  %s sent", clock, humanize.Count(int64(look.Rate+0.5)),
		ms(look.LatencyMs.P50), ms(look.LatencyMs.P99), ms(look.LatencyMs.Max), humanize.Count(look.Answered))
	if look.Retries > 0 {
		text += fmt.Sprintf("  %s retries", humanize.Count(look.Retries))
	}
	if look.Failed > 0 {
		text += fmt.Sprintf("  %s failed", humanize.Count(look.Failed))
	}
	return text
}

// ms prints milliseconds with three figures.
func ms(x float64) string {
	switch {
	case x < 10:
		return fmt.Sprintf("%.2f ms", x)
	case x < 100:
		return fmt.Sprintf("%.1f ms", x)
	}
	return humanize.Count(int64(x+0.5)) + " ms"
}

func (r *Report) print(opts *Options) error {
	if opts.Output != render.Table {
		return render.Document(opts.IO.Out, opts.Output, "Simulation", r)
	}
	target := "as fast as possible"
	if r.TargetRate > 0 {
		target = humanize.Count(int64(r.TargetRate+0.5)) + " events/s"
	}
	var lines []string
	row := func(name, value string) { lines = append(lines, render.Pad(name, 10)+value) }
	row("target", target)
	row("achieved", fmt.Sprintf("%s events/s over %s", humanize.Count(int64(r.AchievedRate+0.5)), humanize.Duration(time.Duration(r.Seconds*float64(time.Second)))))
	row("sent", fmt.Sprintf("%s events in %s requests", humanize.Count(r.Sent), humanize.Count(r.Requests)))
	row("stored", humanize.Count(r.Stored))
	if r.Rejected > 0 {
		row("rejected", humanize.Count(r.Rejected))
	}
	if r.Failed > 0 {
		row("failed", humanize.Count(r.Failed))
	}
	if r.Unsent > 0 {
		row("not sent", humanize.Count(r.Unsent))
	}
	if r.Retries > 0 {
		row("retries", humanize.Count(r.Retries))
	}
	row("latency", fmt.Sprintf("p50 %s  p90 %s  p99 %s  max %s", ms(r.LatencyMs.P50), ms(r.LatencyMs.P90), ms(r.LatencyMs.P99), ms(r.LatencyMs.Max)))
	for _, reason := range r.reasons() {
		row("", fmt.Sprintf("%s × %s", humanize.Count(r.Reasons[reason]), reason))
	}
	_, err := fmt.Fprintln(opts.IO.Out, strings.Join(lines, "\n"))
	return err
}

// reasons are those of the failures, the most frequent first.
func (r *Report) reasons() []string {
	return slices.SortedFunc(maps.Keys(r.Reasons), func(a, b string) int {
		return cmp.Or(cmp.Compare(r.Reasons[b], r.Reasons[a]), strings.Compare(a, b))
	})
}

// verdict is an error if an event was lost, or the run was cut short.
func (r *Report) verdict(ctx context.Context, opts *Options) error {
	if bad := r.Rejected + r.Failed; bad > 0 {
		return &problem.Error{
			What:  fmt.Sprintf("%s of %s events were not stored", humanize.Count(bad), humanize.Count(r.Sent)),
			Cause: fmt.Errorf("%s", r.reasons()[0]),
			Next:  "see gmctl status, and run it again with --seed " + fmt.Sprint(opts.Seed),
		}
	}
	if ctx.Err() != nil && (opts.Count > 0 || opts.Duration > 0 || opts.History > 0) {
		return &problem.Error{What: "the simulation was interrupted; every event it sent is stored", Kind: problem.Cancelled}
	}
	return nil
}
