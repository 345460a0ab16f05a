package logs

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gamemetrics/gmctl/internal/kube"
)

// pods are what a podView needs of a cluster.
type pods interface {
	// Containers lists those that may have a log.
	Containers(context.Context) ([]kube.Container, error)
	// OpenLog returns lines, each after its time, or kube.ErrNoLog.
	OpenLog(context.Context, kube.Container, kube.LogQuery) (io.ReadCloser, error)
}

const (
	podsPoll = 2 * time.Second // between two looks for new pods
	podsRead = 8               // logs at once
)

// podView is what a user wants to see of logs that are in a cluster. A log is
// one container's; a service may have several.
type podView struct {
	wish
	pods pods
	warn func(error) // of a log that cannot be read: the others can
	poll time.Duration

	mu   sync.Mutex // over streams: each has one reader, and the look for new pods
	logs map[containerKey]*podLog
}

type containerKey struct{ pod, container string }

// podLog is how far a container's log has been read.
type podLog struct {
	service, pod string
	stamp        time.Time // of the last line, as the kubelet took it
	last         time.Time // of the last entry, for lines that tell no time
	known        bool      // print has read it
	reading      bool      // follow does
	restarts     int       // when it was read
	warned       bool
}

func newPodView(pods pods, wish wish, warn func(error)) *podView {
	return &podView{wish: wish, pods: pods, warn: warn, poll: podsPoll, logs: map[containerKey]*podLog{}}
}

func (v *podView) services(ctx context.Context) ([]string, error) {
	all, err := v.pods.Containers(ctx)
	if err != nil {
		return nil, err
	}
	var found []string
	for i := range all {
		found = append(found, all[i].App)
	}
	slices.Sort(found)
	return slices.Compact(found), nil
}

// wanted lists the containers to show: a new one can appear at any time.
func (v *podView) wanted(ctx context.Context) ([]kube.Container, error) {
	all, err := v.pods.Containers(ctx)
	if err != nil || len(v.only) == 0 {
		return all, err
	}
	return slices.DeleteFunc(all, func(one kube.Container) bool { return !slices.Contains(v.only, one.App) }), nil
}

// log is that of a container.
func (v *podView) log(of *kube.Container) *podLog {
	v.mu.Lock()
	defer v.mu.Unlock()
	key := containerKey{of.UID, of.Name}
	found := v.logs[key]
	if found == nil {
		found = &podLog{service: of.App, pod: of.Pod}
		v.logs[key] = found
	}
	return found
}

func (v *podView) print(ctx context.Context, yield func(entry) error) error {
	wanted, err := v.wanted(ctx)
	if err != nil {
		return err
	}
	found := make([][]entry, len(wanted))
	work, inWork := errgroup.WithContext(ctx)
	work.SetLimit(podsRead)
	for i := range wanted {
		work.Go(func() error {
			found[i] = v.history(inWork, &wanted[i])
			return inWork.Err()
		})
	}
	if err := work.Wait(); err != nil {
		return err
	}
	return each(v.last(slices.Concat(found...)), yield)
}

// history reads the log of a container, and that of the one before it.
func (v *podView) history(ctx context.Context, of *kube.Container) []entry {
	log := v.log(of)
	log.known, log.restarts = true, of.Restarts
	if v.tail == 0 && v.since.IsZero() {
		return nil
	}
	query := kube.LogQuery{Tail: -1, Since: v.since}
	if v.since.IsZero() {
		query.Tail = v.tail
	}
	var found []entry
	keep := func(e entry) { found = append(found, e) }
	if of.Restarts > 0 {
		before := query
		before.Previous = true
		v.read(ctx, of, log, before, keep)
	}
	v.read(ctx, of, log, query, keep)
	return found
}

// read yields the lines of a log that come after those that were read before.
func (v *podView) read(ctx context.Context, of *kube.Container, log *podLog, query kube.LogQuery, yield func(entry)) {
	lines, err := v.pods.OpenLog(ctx, *of, query)
	if err == nil {
		from := log.stamp
		_, err = readLines(lines, true, func(line []byte) {
			if e, stamp := log.entry(line); stamp.IsZero() || stamp.After(from) && !stamp.Before(v.since) {
				yield(e)
			}
		})
		lines.Close()
	}
	if err != nil && !errors.Is(err, kube.ErrNoLog) && ctx.Err() == nil && !log.warned {
		log.warned = true
		v.warn(err)
	}
}

// entry reads a line, which comes after the time at which the kubelet took it: a
// line that tells no time in a way that is known here, such as Kafka's, has that.
// What the kubelet says itself has none.
func (l *podLog) entry(line []byte) (entry, time.Time) {
	head, text, _ := bytes.Cut(line, []byte{' '})
	stamp, err := time.Parse(time.RFC3339Nano, string(head))
	if err != nil {
		stamp, text = time.Time{}, line
	}
	if stamp.After(l.stamp) {
		l.stamp = stamp
	}
	e := parse(l.service, text)
	switch {
	case !e.Further:
	case continues(text) && !l.last.IsZero():
		e.Time = l.last
	default:
		e.Further, e.Time = false, stamp
	}
	e.Pod, l.last = l.pod, e.Time
	return e, stamp
}

// continues reports whether a line looks like one of a stack trace.
func continues(line []byte) bool {
	return len(line) == 0 || line[0] == ' ' || line[0] == '\t' || bytes.HasPrefix(line, []byte("Caused by: "))
}

func (v *podView) follow(ctx context.Context, interval time.Duration, yield func(entry) error) error {
	ctx, cancel := context.WithCancel(ctx)
	var reading sync.WaitGroup
	defer reading.Wait()
	defer cancel()
	var (
		came = make(chan entry, 1024)
		look = time.NewTicker(v.poll)
		tick = time.NewTicker(interval)
	)
	defer look.Stop()
	defer tick.Stop()
	if err := v.attach(ctx, &reading, came); err != nil {
		return err
	}
	var entries []entry
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case e := <-came:
			entries = append(entries, e)
		case <-look.C:
			if err := v.attach(ctx, &reading, came); err != nil {
				return err
			}
		case <-tick.C:
			byTime(entries)
			if err := each(entries, yield); err != nil {
				return err
			}
			entries = entries[:0]
		}
	}
}

// attach begins to read what is not being read and may be written to.
func (v *podView) attach(ctx context.Context, reading *sync.WaitGroup, came chan<- entry) error {
	wanted, err := v.wanted(ctx)
	if err != nil {
		return err
	}
	for _, one := range wanted {
		log := v.log(&one)
		v.mu.Lock()
		begin := !log.reading && (one.Running || !log.known || one.Restarts != log.restarts)
		if begin {
			log.reading, log.restarts = true, one.Restarts
		}
		v.mu.Unlock()
		if !begin {
			continue
		}
		reading.Go(func() {
			v.read(ctx, &one, log, v.further(log), func(e entry) {
				select {
				case came <- e:
				case <-ctx.Done():
				}
			})
			v.mu.Lock()
			defer v.mu.Unlock()
			log.reading, log.known = false, log.known || !log.stamp.IsZero()
		})
	}
	return nil
}

// further asks for what comes after the lines that were read.
func (v *podView) further(log *podLog) kube.LogQuery {
	query := kube.LogQuery{Tail: -1, Since: log.stamp, Follow: true}
	switch {
	case !log.stamp.IsZero():
	case !v.since.IsZero():
		query.Since = v.since
	case log.known && v.tail == 0:
		query.Tail = 0
	}
	return query
}
