package environment

import (
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/humanize"
	"github.com/gamemetrics/gmctl/internal/kube"
	"github.com/gamemetrics/gmctl/internal/passage"
	"github.com/gamemetrics/gmctl/internal/problem"
)

// How long the way to the database may take to open and to close.
const (
	openTimeout   = 5 * time.Minute // a node may have to come for the pod
	listenTimeout = 15 * time.Second
	enterTimeout  = 15 * time.Second // longer than the pod tries to reach the database
	closeTimeout  = 10 * time.Second
)

//go:embed passage.yaml
var passageJob []byte

// passageTo is a pod that leads to the database of its cluster.
type passageTo struct {
	client *kube.Client
	job    string // empty: none was made
	pod    string
}

// open has the pod run, of the image that the services run, and returns when it
// leads to the database. The passage is to be closed also after an error.
func (p *passageTo) open(ctx context.Context, report engine.Reporter) error {
	image, err := p.client.Image(ctx, appsNamespace, ingestionService)
	if err != nil {
		return err
	}
	if image == "" {
		return kube.ErrNotThere
	}
	p.job = "passage-" + strings.ToLower(rand.Text()[:8]) // several may be open at once
	job, err := newPassageJob(p.job, image)
	if err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	last := &lastWait{next: report}
	if p.pod, err = p.client.StartJob(limited, job, last); err == nil {
		err = p.await(limited, last)
	}
	switch {
	case err == nil || ctx.Err() != nil:
		return err
	case limited.Err() != nil:
		return &problem.Error{
			What: "the way to PostgreSQL did not open within " + humanize.Duration(openTimeout), Cause: errors.New(last.message),
			Next: "see what holds it up: gmctl status",
		}
	}
	found := *problem.From(err)
	if found.Next == "" {
		found.Next = "if an older gmctl made the platform, bring it up to date: gmctl up"
	}
	return &found
}

// newPassageJob is the Job with its name and image.
func newPassageJob(name, image string) (*unstructured.Unstructured, error) {
	job := &unstructured.Unstructured{}
	if err := yaml.Unmarshal(passageJob, &job.Object); err != nil {
		return nil, err
	}
	job.SetName(name)
	containers, _, err := unstructured.NestedSlice(job.Object, "spec", "template", "spec", "containers")
	if err != nil {
		return nil, err
	}
	containers[0].(map[string]any)["image"] = image
	return job, unstructured.SetNestedSlice(job.Object, containers, "spec", "template", "spec", "containers")
}

// lastWait remembers what was last waited for.
type lastWait struct {
	next    engine.Reporter
	message string
}

func (l *lastWait) Report(update engine.Update) {
	l.message = update.Message
	l.next.Report(update)
}

// await returns when the pod leads to the database. It is ready as soon as its
// program runs, which then either listens or ends.
func (p *passageTo) await(ctx context.Context, report engine.Reporter) error {
	for until := time.Now().Add(listenTimeout); ; {
		conn, err := p.dial(ctx, "", "")
		if err == nil {
			return conn.Close()
		}
		if closed, ok := errors.AsType[passage.Closed](err); ok {
			return &problem.Error{What: "the cluster does not reach PostgreSQL", Cause: closed, Next: "see how it is: gmctl status"}
		}
		if err := p.client.AwaitPod(ctx, appsNamespace, p.pod, report); err != nil {
			return err
		}
		if time.Now().After(until) {
			return &problem.Error{What: "the pod that leads to PostgreSQL does not answer", Cause: err, Next: "see how it is: gmctl status"}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// dial connects to the database through the pod, whatever the address.
func (p *passageTo) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, enterTimeout)
	defer cancel()
	conn, err := p.client.DialPod(ctx, appsNamespace, p.pod, passage.Port)
	if err != nil {
		return nil, err
	}
	if err := passage.Enter(ctx, conn); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// close deletes the pod.
func (p *passageTo) close(ctx context.Context) error {
	if p.job == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, closeTimeout)
	defer cancel()
	if err := p.client.DeleteJob(ctx, appsNamespace, p.job); err != nil {
		return fmt.Errorf("%w; it ends by itself within an hour", err)
	}
	return nil
}
