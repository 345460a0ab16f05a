package kube

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/problem"
)

// How long a request is tried again, counted from its first failure: where
// someone is told of the wait, and where no one is.
const (
	retryReported = 2 * time.Minute
	retrySilently = 20 * time.Second
	retryFirst    = 200 * time.Millisecond
	retryLongest  = 10 * time.Second
)

type reporterKey struct{}

// reporting lets what happens to requests of the context be told.
func reporting(ctx context.Context, report engine.Reporter) context.Context {
	if report == nil {
		return ctx
	}
	return context.WithValue(ctx, reporterKey{}, report)
}

func tell(ctx context.Context, update engine.Update) {
	if report, ok := ctx.Value(reporterKey{}).(engine.Reporter); ok {
		report.Report(update)
	}
}

// retrying sends a request again while the API server is too busy, restarts,
// or cannot be reached.
type retrying struct {
	next               http.RoundTripper
	reported, silently time.Duration
}

func newRetrying(next http.RoundTripper) *retrying {
	return &retrying{next, retryReported, retrySilently}
}

func (r *retrying) RoundTrip(request *http.Request) (*http.Response, error) {
	ctx := request.Context()
	patience := r.silently
	if ctx.Value(reporterKey{}) != nil {
		patience = r.reported
	}
	var deadline time.Time
	for attempt := 0; ; attempt++ {
		response, err := r.next.RoundTrip(request)
		why, after := r.worthAnother(request, response, err)
		if why == "" {
			return asLast(response), err
		}
		if deadline.IsZero() {
			deadline = time.Now().Add(patience)
		}
		pause := max(backoff(attempt), min(after, 3*retryLongest))
		again, rewound := rewind(request)
		if !rewound || time.Now().Add(pause).After(deadline) {
			return asLast(response), err
		}
		if response != nil {
			_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 1<<20)) // so that the connection serves again
			response.Body.Close()
		}
		tell(ctx, engine.Update{Kind: engine.UpdateWaiting, Message: "the Kubernetes API to answer: " + why})
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pause):
		}
		request = again
	}
}

// worthAnother says why a request should be sent again, or nothing, and how
// long the server wants to be left alone.
func (r *retrying) worthAnother(request *http.Request, response *http.Response, err error) (string, time.Duration) {
	if request.Context().Err() != nil {
		return "", 0
	}
	if err != nil {
		return transient(err), 0
	}
	switch response.StatusCode {
	case http.StatusTooManyRequests:
		if strings.HasSuffix(request.URL.Path, "/eviction") {
			return "", 0 // a disruption budget, which is the caller's to tell of
		}
	case http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
	default:
		return "", 0
	}
	why := response.Status
	if message := messageOf(response); message != "" && !strings.Contains(request.URL.Path, "/secrets/") {
		why = fmt.Sprintf("%s (%d)", message, response.StatusCode)
	}
	seconds, _ := strconv.Atoi(response.Header.Get("Retry-After"))
	return why, time.Duration(seconds) * time.Second
}

// transient returns what is wrong with the connection if another may work.
func transient(err error) string {
	var (
		known     *problem.Error // the token could not be had
		authority x509.UnknownAuthorityError
		hostname  x509.HostnameError
		invalid   x509.CertificateInvalidError
		verify    *tls.CertificateVerificationError
	)
	switch {
	case errors.As(err, &known), errors.As(err, &authority), errors.As(err, &hostname), errors.As(err, &invalid), errors.As(err, &verify):
		return ""
	}
	return err.Error()
}

// messageOf reads the message of a failure and leaves the body as it was.
func messageOf(response *http.Response) string {
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	response.Body.Close()
	response.Body = io.NopCloser(strings.NewReader(string(body)))
	if err != nil {
		return ""
	}
	var status metav1.Status
	if json.Unmarshal(body, &status) == nil && status.Message != "" {
		return status.Message
	}
	line, _, _ := strings.Cut(strings.TrimSpace(string(body)), "\n")
	return line
}

// asLast keeps client-go from trying again by itself, silently.
func asLast(response *http.Response) *http.Response {
	if response != nil {
		response.Header.Del("Retry-After")
	}
	return response
}

func rewind(request *http.Request) (*http.Request, bool) {
	again := request.Clone(request.Context())
	if request.Body == nil || request.Body == http.NoBody {
		return again, true
	}
	if request.GetBody == nil {
		return nil, false
	}
	body, err := request.GetBody()
	again.Body = body
	return again, err == nil
}

// backoff grows with each attempt, with jitter.
func backoff(attempt int) time.Duration {
	pause := min(retryFirst<<min(attempt, 10), retryLongest)
	return pause/2 + rand.N(pause)
}
