package kube

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/problem"
)

// awaited is one object that a wait is for.
type awaited struct {
	ref      Ref
	standing standing
	cause    cause
	next     string    // step, where no cause names one
	noImage  int       // how many looks in a row have seen that there is no image
	homeless time.Time // since when a pod fits on no node, or no operator is there
}

// imageLooks is how many looks must see that there is no image: a registry may
// answer so right after a push.
const imageLooks = 2

// Wait returns when all objects are ready. It tells what it waits for and, as
// soon as it is known, what stalls it. It ends with that cause when nothing will
// change by itself: an image that does not exist, a container that crashes again
// and again, a failed job, a pod that fits on no node for minutes, or no
// progress at all for long.
func (c *Client) Wait(ctx context.Context, objects []*unstructured.Unstructured, report engine.Reporter) error {
	ctx = reporting(ctx, report)
	var pending []*awaited
	for _, object := range objects {
		if ref := RefOf(object); !inert(ref) {
			pending = append(pending, &awaited{ref: ref})
		}
	}
	var (
		total = len(pending)
		seen  string
		told  string
		since = time.Now()
	)
	for {
		if err := c.lookAt(ctx, pending); err != nil {
			return err
		}
		pending = notReady(pending)
		if len(pending) == 0 {
			return nil
		}
		if err := c.hopeless(pending); err != nil {
			return err
		}
		lines := describe(pending)
		if all := strings.Join(lines, "\n"); all != seen {
			seen, since = all, time.Now()
		}
		if message := firstOf(lines); message != told {
			told = message
			report.Report(engine.Update{
				Kind: engine.UpdateWaiting, Message: message,
				Done: int64(total - len(pending)), Total: int64(total), Unit: "objects", Usually: usually(pending),
			})
		}
		if time.Since(since) > c.pace.standstill {
			return failure(telling(pending), fmt.Sprintf("did not become ready, and nothing has changed for %s", c.pace.standstill))
		}
		if err := sleep(ctx, c.pace.poll); err != nil {
			return err
		}
	}
}

// lookAt learns how far each is, and why no farther.
func (c *Client) lookAt(ctx context.Context, pending []*awaited) error {
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(parallel)
	for _, one := range pending {
		work.Go(func() error { return c.look(ctx, one) })
	}
	return work.Wait()
}

func (c *Client) look(ctx context.Context, one *awaited) error {
	live, err := c.fetch(ctx, one.ref)
	if err != nil {
		return explain(err, one.ref.String()+" could not be read")
	}
	one.cause = cause{}
	if live == nil {
		one.standing, one.next = standing{onTheWay, "it is not there"}, "make it again: gmctl up"
		return nil
	}
	one.next = nextStep(live)
	if one.standing = standingOf(live); one.standing.state == isReady {
		return nil
	}
	if one.cause, err = c.findCause(ctx, live); err != nil {
		return explain(err, "the pods of "+one.ref.String()+" could not be read")
	}
	one.noImage++
	if one.cause.kind != noImage {
		one.noImage = 0
	}
	if !one.cause.kind.lonely() {
		one.homeless = time.Time{}
	} else if one.homeless.IsZero() {
		one.homeless = time.Now()
	}
	return nil
}

func notReady(all []*awaited) []*awaited {
	var left []*awaited
	for _, one := range all {
		if one.standing.state != isReady {
			left = append(left, one)
		}
	}
	return left
}

// hopeless returns the error of the first that will not become ready.
func (c *Client) hopeless(pending []*awaited) error {
	for _, one := range pending {
		switch {
		case one.standing.state == hasFailed:
			return failure(one, "failed")
		case one.cause.kind == dead, one.noImage >= imageLooks,
			one.cause.kind.lonely() && time.Since(one.homeless) > c.pace.unschedulable:
			return failure(one, "did not become ready")
		}
	}
	return nil
}

func failure(one *awaited, how string) error {
	p := &problem.Error{What: one.ref.String() + " " + how, Next: cmp.Or(one.cause.next, one.next)}
	switch {
	case one.cause.text != "":
		p.Cause = errors.New(one.cause.text)
	case one.standing.message != "":
		p.Cause = errors.New(one.standing.message)
	}
	return p
}

// telling is the first whose cause is known, or else the first.
func telling(pending []*awaited) *awaited {
	known := func(one *awaited) bool { return one.cause.text != "" }
	return pending[max(slices.IndexFunc(pending, known), 0)]
}

// describe says what is waited for, those with a known cause first.
func describe(pending []*awaited) []string {
	var stalled, others []string
	for _, one := range pending {
		switch {
		case one.cause.text != "":
			stalled = append(stalled, one.ref.String()+": "+one.cause.text)
		case one.standing.message != "":
			others = append(others, one.ref.String()+" ("+strings.TrimSuffix(one.standing.message, ".")+")")
		default:
			others = append(others, one.ref.String())
		}
	}
	return append(stalled, others...)
}

// usually is how long the slowest of them takes, as seen on EKS.
func usually(pending []*awaited) time.Duration {
	longest := 30 * time.Second
	for _, one := range pending {
		switch {
		case one.ref.is("kafka.strimzi.io", "Kafka"):
			return 3 * time.Minute
		case one.ref.is("", "Service"), one.ref.Kind == "StatefulSet":
			longest = 2 * time.Minute
		case workload(one.ref):
			longest = max(longest, time.Minute)
		}
	}
	return longest
}
