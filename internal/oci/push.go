package oci

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// Target is a repository of a registry, and how to get in.
type Target struct {
	Repository string // HOST/NAME
	Username   string // empty: nobody is asked for
	Password   string
}

// Watch is told how a push goes on; what is nil is told nothing.
type Watch struct {
	Progress func(done, total int64) // in bytes
	Retry    func(why string)        // the registry failed, and is asked again
}

// patience is for how long a registry is tried again: about half a minute.
func patience() remote.Backoff {
	return remote.Backoff{Duration: 500 * time.Millisecond, Factor: 2, Jitter: 0.2, Steps: 7}
}

// uploads is how many parts are sent at the same time.
const uploads = 4

// Push brings the image to the repository under its tag, and sends only what is
// not there. One that was interrupted goes on with the parts that are missing.
// The error is a *problem.Error.
func Push(ctx context.Context, to Target, image *Image, watch Watch) error {
	what := "the image could not be pushed to " + to.Repository
	repository, err := name.NewRepository(to.Repository)
	if err != nil {
		return &problem.Error{What: what, Cause: err, Next: "name it as HOST/NAME", Kind: problem.Usage}
	}
	content, err := image.content(ctx)
	if err != nil {
		return err
	}
	updates, finished, told := make(chan v1.Update), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(told)
		tell(updates, finished, image.Size, watch.Progress)
	}()
	options := []remote.Option{
		remote.WithContext(ctx), remote.WithJobs(uploads), remote.WithProgress(updates),
		remote.WithRetryBackoff(patience()), remote.WithRetryPredicate(worthRetrying),
		remote.WithTransport(&witness{settling{remote.DefaultTransport}, watch.Retry}),
	}
	if to.Username != "" {
		options = append(options, remote.WithAuth(&authn.Basic{Username: to.Username, Password: to.Password}))
	}
	err = remote.Push(repository.Tag(image.Tag()), content, options...)
	close(finished)
	<-told
	if err != nil {
		return explain(err, what)
	}
	return nil
}

// tell passes updates on, one for each percent.
func tell(updates <-chan v1.Update, finished <-chan struct{}, size int64, progress func(done, total int64)) {
	told := int64(-1)
	for {
		select {
		case <-finished:
			return
		case update, open := <-updates:
			if !open {
				return
			}
			total := max(update.Total, size)
			if progress == nil || total == 0 || update.Error != nil {
				continue
			}
			done := min(update.Complete, total) // what is sent again may be counted again
			if percent := done * 100 / total; percent != told {
				told = percent
				progress(done, total)
			}
		}
	}
}

// worthRetrying reports whether the error may be gone when it is tried again.
func worthRetrying(err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	if answer, ok := errors.AsType[*transport.Error](err); ok {
		return answer.Temporary() || answer.StatusCode == http.StatusTooManyRequests || answer.StatusCode >= http.StatusInternalServerError
	}
	for _, broken := range []error{io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, syscall.EPIPE, syscall.ECONNRESET, syscall.ECONNREFUSED} {
		if errors.Is(err, broken) {
			return true
		}
	}
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}

// witness tells of answers that are asked for again.
type witness struct {
	inner http.RoundTripper
	retry func(why string)
}

func (w *witness) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := w.inner.RoundTrip(request)
	if w.retry == nil || request.Context().Err() != nil {
		return response, err
	}
	switch {
	case err != nil && worthRetrying(err):
		w.retry(err.Error())
	case err == nil && (response.StatusCode == http.StatusTooManyRequests || response.StatusCode >= http.StatusInternalServerError):
		w.retry(fmt.Sprintf("%s answered %s", request.URL.Host, response.Status))
	}
	return response, err
}

// settling is a transport whose requests are over when their answers are closed, or
// when they failed: an answer that comes before all of a body was sent would else
// leave the rest on its way, while remote takes back what it counted of it.
type settling struct{ inner http.RoundTripper }

func (s settling) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.Body == nil || request.Body == http.NoBody {
		return s.inner.RoundTrip(request)
	}
	sent := &noticed{ReadCloser: request.Body, closed: make(chan struct{})}
	request = request.Clone(request.Context())
	request.Body = sent
	response, err := s.inner.RoundTrip(request)
	if err != nil {
		<-sent.closed // a transport closes the body, also where it fails
		return nil, err
	}
	response.Body = &settled{response.Body, sent}
	return response, nil
}

// noticed is a body of which is known when it was closed.
type noticed struct {
	io.ReadCloser
	once   sync.Once
	closed chan struct{}
}

func (n *noticed) Close() error {
	defer n.once.Do(func() { close(n.closed) })
	return n.ReadCloser.Close()
}

// settled is the body of an answer whose request is over once it is closed.
type settled struct {
	io.ReadCloser
	sent *noticed
}

func (s *settled) Close() error {
	err := s.ReadCloser.Close()
	<-s.sent.closed
	return err
}

// explain says what to do about an error of a registry.
func explain(err error, what string) *problem.Error {
	if p, ok := errors.AsType[*problem.Error](err); ok {
		return p
	}
	p := &problem.Error{What: what, Cause: err}
	if errors.Is(err, context.Canceled) {
		p.Kind, p.Next = problem.Cancelled, "run it again: it goes on with the parts that are missing"
		return p
	}
	answer, ok := errors.AsType[*transport.Error](err)
	if !ok {
		p.Next = "check this machine's network and its proxy (HTTPS_PROXY), then run it again: it goes on with the parts that are missing"
		return p
	}
	switch {
	case answer.StatusCode == http.StatusUnauthorized || answer.StatusCode == http.StatusForbidden:
		p.Next = "have an administrator allow the images of this repository to be read and written; of another registry than AWS's, log in: docker login"
	case answer.StatusCode == http.StatusNotFound:
		p.Next = "check that the image and the repository are there: gmctl up --only infra makes that of the environment"
	case answer.StatusCode == http.StatusTooManyRequests:
		p.Next = "the registry asks to go slower: wait a minute, then run it again"
	case answer.StatusCode >= http.StatusInternalServerError:
		p.Next = "the registry has a fault: run it again later; it goes on with the parts that are missing"
	}
	return p
}
