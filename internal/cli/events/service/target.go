// Package service is the ingestion service as the commands of `gmctl events`
// see it: where it is, and how events are handed to it.
package service

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/apikey"
	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/environment"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/pkg/event"
)

// URLVariable names the environment variable that stands in for --url.
const URLVariable = "GMCTL_URL"

// KeyVariable names the environment variable with the API key to send with.
const KeyVariable = "GMCTL_API_KEY"

// Endpoint is a service that is found.
type Endpoint struct {
	URL string
	Key apikey.Secret // empty: it wants none, or the user has none
}

// Target says which service a command talks to.
type Target struct{ url string }

// Flags adds --url to cmd.
func (t *Target) Flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&t.url, "url", "", "base `URL` of the event API, in place of the environment's [$"+URLVariable+"]")
}

// Resolver returns what finds the service: the flag, else the variable, else the
// environment. An environment has a key of its own for gmctl; that of the user wins.
func (t *Target) Resolver(f *factory.Factory) func(context.Context) (Endpoint, error) {
	return func(ctx context.Context) (Endpoint, error) {
		own := apikey.Read(os.Getenv(KeyVariable))
		for _, given := range []struct{ name, url string }{{"--url", t.url}, {"$" + URLVariable, os.Getenv(URLVariable)}} {
			if given.url != "" {
				checked, err := checkURL(given.name, given.url)
				return Endpoint{checked, own}, err
			}
		}
		env, err := f.Environment(environment.Options{})
		if err != nil {
			return Endpoint{}, err
		}
		found, err := env.Ingestion(ctx)
		if own.Reveal() == "" {
			own = found.Key
		}
		return Endpoint{strings.TrimRight(found.URL, "/"), own}, err
	}
}

func checkURL(name, given string) (string, error) {
	parsed, err := url.Parse(given)
	if err != nil || parsed.Scheme != "http" && parsed.Scheme != "https" || parsed.Host == "" {
		return "", &problem.Error{
			What: fmt.Sprintf("%s is %q, which is not the URL of a service", name, given),
			Next: "give one such as http://127.0.0.1:8080", Kind: problem.Usage,
		}
	}
	return strings.TrimRight(given, "/"), nil
}

// AnyTime are the rules by which a command judges an event before it sends it.
// Whether its timestamp is accepted is for the service to say.
func AnyTime() event.Rules {
	const centuries = 250 * 365 * 24 * time.Hour
	rules := event.DefaultRules()
	rules.MaxAge, rules.MaxAhead = centuries, centuries
	return rules
}
