package kube

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"

	"github.com/gamemetrics/gmctl/internal/buildinfo"
	"github.com/gamemetrics/gmctl/internal/problem"
)

// ErrNotThere is the error of who has no cluster to open yet: what it holds is
// not known, and nothing is wrong.
var ErrNotThere = errors.New("the cluster is not there yet")

// fieldManager names gmctl to the API server as the owner of the fields it sets.
const fieldManager = "gmctl"

// connectTimeout bounds the way to an address where no one answers.
const connectTimeout = 10 * time.Second

// Config says where an API server is and how to be known there.
type Config struct {
	Host string // https://host:port
	CA   []byte // PEM; empty: the machine's own
	// Token is asked for each request, and caches. Nil: no token.
	Token func(context.Context) (string, error)
	// ClientCert and ClientKey are PEM, for clusters that know users by them.
	ClientCert, ClientKey []byte
}

// Client is a way into one cluster. It is safe for use by several goroutines.
type Client struct {
	config  *rest.Config
	host    *url.URL
	http    *http.Client
	objects dynamic.Interface
	kinds   *kinds
	pace    pace
}

// pace is how often a wait looks, and when it gives up. Tests are impatient.
type pace struct {
	poll          time.Duration // between two looks
	standstill    time.Duration // without any progress, until a wait ends
	unschedulable time.Duration // until a pod that fits on no node ends a wait
	deletion      time.Duration // without any progress, until a deletion ends
}

// Quiet keeps client-go from writing to stderr past the events. A program calls it
// once, before it opens a client.
func Quiet() { klog.SetLogger(logr.Discard()) }

// Open prepares a client and sends nothing yet.
func Open(config Config) (*Client, error) {
	host, err := url.Parse(config.Host)
	if err == nil && (host.Scheme == "" || host.Host == "") {
		err = errors.New("it has no scheme or no host")
	}
	if err != nil {
		return nil, &problem.Error{What: "the address of the Kubernetes API cannot be used: " + config.Host, Cause: err}
	}
	host.Path = strings.TrimSuffix(host.Path, "/")
	settings := &rest.Config{
		Host:           config.Host,
		QPS:            -1, // the API server's own fairness decides
		UserAgent:      "gmctl/" + buildinfo.Get().Version,
		WarningHandler: rest.NoWarnings{}, // they would go to stderr past the events
		Dial:           (&net.Dialer{Timeout: connectTimeout, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig: rest.TLSClientConfig{
			CAData: config.CA, CertData: config.ClientCert, KeyData: config.ClientKey,
		},
	}
	if config.Token != nil {
		settings.WrapTransport = func(next http.RoundTripper) http.RoundTripper { return &bearer{config.Token, next} }
	}
	direct, err := rest.HTTPClientFor(settings)
	if err != nil {
		return nil, &problem.Error{What: "the Kubernetes API's certificates cannot be used", Cause: err}
	}
	client := &http.Client{Transport: newRetrying(direct.Transport)}
	objects, err := dynamic.NewForConfigAndClient(settings, client)
	if err != nil {
		return nil, &problem.Error{What: "the Kubernetes API cannot be used", Cause: err}
	}
	c := &Client{
		config: settings, host: host, http: client, objects: objects,
		pace: pace{poll: time.Second, standstill: 10 * time.Minute, unschedulable: 3 * time.Minute, deletion: 5 * time.Minute},
	}
	c.kinds = &kinds{get: c.get, known: map[string][]kind{}}
	return c, nil
}

// Host returns the address of the API server.
func (c *Client) Host() string { return c.config.Host }

// bearer shows a token with each request.
type bearer struct {
	token func(context.Context) (string, error)
	next  http.RoundTripper
}

func (b *bearer) RoundTrip(request *http.Request) (*http.Response, error) {
	token, err := b.token(request.Context())
	if err != nil {
		return nil, err
	}
	request = request.Clone(request.Context())
	request.Header.Set("Authorization", "Bearer "+token)
	return b.next.RoundTrip(request)
}
