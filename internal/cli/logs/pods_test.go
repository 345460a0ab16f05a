package logs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/kube"
)

// playedPods are pods with logs as Kubernetes serves them.
type playedPods struct {
	mu      sync.Mutex
	listed  []kube.Container
	written map[string][]string // by pod: lines with their times
	before  map[string][]string // of containers before they were restarted
	sick    map[string]error
	change  chan struct{} // closed when something is written
}

func newPlayedPods() *playedPods {
	return &playedPods{written: map[string][]string{}, before: map[string][]string{}, sick: map[string]error{}, change: make(chan struct{})}
}

func (p *playedPods) add(app, pod string, lines ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.listed = append(p.listed, kube.Container{Namespace: "gamemetrics", Pod: pod, UID: pod, Name: app, App: app, Running: true})
	p.written[pod] = lines
}

func (p *playedPods) write(pod string, lines ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.written[pod] = append(p.written[pod], lines...)
	close(p.change)
	p.change = make(chan struct{})
}

// restart ends who follows, and begins a new log.
func (p *playedPods) restart(pod string, lines ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.listed {
		if p.listed[i].Pod == pod {
			p.listed[i].Restarts++
		}
	}
	p.before[pod], p.written[pod] = p.written[pod], lines
	close(p.change)
	p.change = make(chan struct{})
}

func (p *playedPods) Containers(context.Context) ([]kube.Container, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]kube.Container{}, p.listed...), nil
}

func (p *playedPods) lines(of kube.Container, previous bool) (lines []string, restarts int, changed <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, one := range p.listed {
		if one.Pod == of.Pod {
			restarts = one.Restarts
		}
	}
	if previous {
		return p.before[of.Pod], restarts, p.change
	}
	return p.written[of.Pod], restarts, p.change
}

func (p *playedPods) OpenLog(ctx context.Context, of kube.Container, query kube.LogQuery) (io.ReadCloser, error) {
	if err := p.sick[of.Pod]; err != nil {
		return nil, err
	}
	lines, restarts, changed := p.lines(of, query.Previous)
	if len(lines) == 0 {
		return nil, kube.ErrNoLog
	}
	var old bytes.Buffer
	for i, line := range lines {
		stamp, _, _ := strings.Cut(line, " ")
		at, err := time.Parse(time.RFC3339Nano, stamp)
		if err == nil && at.Before(query.Since.Truncate(time.Second)) || query.Tail >= 0 && i < len(lines)-query.Tail {
			continue
		}
		old.WriteString(line + "\n")
	}
	if !query.Follow {
		return io.NopCloser(&old), nil
	}
	reader, writer := io.Pipe()
	go func() {
		defer writer.Close()
		writer.Write(old.Bytes())
		for told := len(lines); ; {
			select {
			case <-ctx.Done():
				return
			case <-changed:
			}
			now, again, next := p.lines(of, false)
			if again != restarts {
				return
			}
			for _, line := range now[told:] {
				io.WriteString(writer, line+"\n")
			}
			told, changed = len(now), next
		}
	}()
	return reader, nil
}

func stamped(second int, text string) string {
	return fmt.Sprintf("2026-11-24T10:00:%02d.5Z %s", second, text)
}

func stampedSlog(second int, message string) string {
	return stamped(second, strings.TrimSpace(fmt.Sprintf(`{"time":"2026-11-24T10:00:%02d.4Z","level":"INFO","msg":%q}`, second, message)))
}

func dev() *playedPods {
	played := newPlayedPods()
	played.add("ingestion", "ingestion-a", stampedSlog(1, "listening"), stampedSlog(4, "stored"))
	played.add("ingestion", "ingestion-b", stampedSlog(2, "listening"))
	played.add("kafka", "gamemetrics-kafka-0",
		stamped(3, "2026-11-24 10:00:03 ERROR [main] Exiting Kafka"), stamped(3, "java.io.IOException: disk"), stamped(3, "\tat kafka.Kafka.main(Kafka.scala:1)"))
	played.add("relay", "relay-a")
	return played
}

func printed(t *testing.T, pods pods, wish wish, asJSON bool) string {
	t.Helper()
	streams, _, out, _ := iostreams.Test()
	view := newPodView(pods, wish, func(err error) { t.Error(err) })
	known, err := view.services(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := view.print(t.Context(), newPrinter(streams, time.UTC, asJSON, known).entry); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestWhatPodsWroteIsPrinted(t *testing.T) {
	restarted := dev()
	restarted.restart("ingestion-b", stampedSlog(6, "again"))
	for name, test := range map[string]struct {
		pods   *playedPods
		wish   wish
		asJSON bool
	}{
		"pods":           {dev(), wish{tail: -1}, false},
		"pods-json":      {dev(), wish{tail: -1}, true},
		"pods-tail":      {dev(), wish{tail: 2}, false},
		"pods-since":     {dev(), wish{tail: -1, since: time.Date(2026, 11, 24, 10, 0, 3, 400e6, time.UTC)}, false},
		"pods-only":      {dev(), wish{tail: -1, only: []string{"ingestion", "relay"}}, false},
		"pods-none":      {dev(), wish{tail: 0}, false},
		"pods-restarted": {restarted, wish{tail: -1, only: []string{"ingestion"}}, false},
	} {
		t.Run(name, func(t *testing.T) { golden(t, name, printed(t, test.pods, test.wish, test.asJSON)) })
	}
}

func TestServicesOfPods(t *testing.T) {
	got, err := newPodView(dev(), wish{}, nil).services(t.Context())
	if diff := cmp.Diff([]string{"ingestion", "kafka", "relay"}, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

// A log that cannot be read is told of, and keeps no other back.
func TestALogThatCannotBeRead(t *testing.T) {
	played := dev()
	played.sick["ingestion-a"] = errors.New("the node does not answer")
	var told []string
	var got int
	view := newPodView(played, wish{tail: -1}, func(err error) { told = append(told, err.Error()) })
	if err := view.print(t.Context(), func(entry) error { got++; return nil }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"the node does not answer"}, told); diff != "" || got != 4 {
		t.Error(diff, got)
	}
}

// What is written while following is printed once: over restarts, of new pods,
// and of pods that had no log yet.
func TestFollowPods(t *testing.T) {
	played := dev()
	streams, _, _, _ := iostreams.Test()
	f := &follower{done: make(chan error, 1)}
	streams.Out = f
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	view := newPodView(played, wish{tail: 1}, func(err error) { t.Error(err) })
	view.poll = 5 * time.Millisecond
	printer := newPrinter(streams, time.UTC, false, nil)
	if err := view.print(ctx, printer.entry); err != nil {
		t.Fatal(err)
	}
	f.await(t, "stored")
	go func() { f.done <- view.follow(ctx, time.Millisecond, printer.entry) }()

	played.write("ingestion-a", stampedSlog(5, "further"))
	f.await(t, "further")
	played.write("relay-a", stampedSlog(6, "the first line"))
	f.await(t, "the first line")
	played.restart("ingestion-a", stampedSlog(7, "made anew"))
	f.await(t, "made anew")
	played.add("ingestion", "ingestion-c", stampedSlog(8, "a new pod"))
	f.await(t, "a new pod")
	played.write("ingestion-c", stampedSlog(9, "goes on"))
	f.await(t, "goes on")
	cancel()
	if err := <-f.done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	for _, text := range []string{"stored", "further", "the first line", "made anew", "a new pod"} {
		f.await(t, text)
	}
	if strings.Contains(f.text(), "listening") {
		t.Errorf("what came before is printed:\n%s", f.text())
	}
}
