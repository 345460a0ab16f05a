package manifests

import (
	"net"
	"net/url"
	"strconv"
)

// Values are what earlier stages know and manifests need. Which of them must be
// set depends on what is rendered.
type Values struct {
	Image    string   // gmctl's own image by digest: REPOSITORY@sha256:…
	Region   string   // AWS region
	Database Database // PostgreSQL
	Redis    Redis
	KafkaCA  string // certificates that Kafka's are signed with, as PEM
	Tracing  Tracing

	// SecretVersions are the versions of the Secrets that pods read, by
	// NAMESPACE/NAME: a new one makes their pods anew.
	SecretVersions map[string]string

	// Tags tell whose a volume is, such as EnvironmentId: those of all the
	// environment's resources.
	Tags map[string]string
}

// Database is where PostgreSQL is.
type Database struct {
	Host string
	Port int
	Name string
}

// Redis is where Redis is. It takes TLS alone.
type Redis struct {
	Host string
	Port int
}

// Tracing is where traces go.
type Tracing struct {
	Endpoint string // http or https URL; empty: there are none
	Percent  int    // of the requests that nobody else decides on
}

// StandIn returns values that are no one's, for a look at manifests whose own
// values are not known yet: what pods ask of their nodes depends on none of
// them. Objects rendered with it must not be applied.
func StandIn() Values {
	return Values{
		Image:    "stand-in.invalid/gmctl@sha256:0000000000000000000000000000000000000000000000000000000000000000",
		Region:   "stand-in",
		Database: Database{Host: "stand-in.invalid", Port: 5432, Name: "stand-in"},
		Redis:    Redis{Host: "stand-in.invalid", Port: 6379},
		KafkaCA:  "stand-in",
		Tags:     map[string]string{"stand-in": "stand-in"},
	}
}

// url is how services reach the database; user and password come from a Secret.
func (d Database) url() string {
	query := url.Values{"sslmode": {"require"}}
	address := url.URL{Scheme: "postgres", Host: d.address(), Path: "/" + d.Name, RawQuery: query.Encode()}
	return address.String()
}

// port is where the collector listens.
func (t Tracing) port() (int, error) {
	to, err := url.Parse(t.Endpoint)
	switch {
	case err != nil:
		return 0, err
	case to.Port() != "":
		return strconv.Atoi(to.Port())
	case to.Scheme == "https":
		return 443, nil
	}
	return 80, nil
}

// config are the variables of the standard.
func (t Tracing) config() map[string]string {
	return map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": t.Endpoint,
		"OTEL_TRACES_SAMPLER":         "parentbased_traceidratio",
		"OTEL_TRACES_SAMPLER_ARG":     strconv.FormatFloat(float64(t.Percent)/100, 'f', -1, 64),
	}
}

func (d Database) address() string { return net.JoinHostPort(d.Host, strconv.Itoa(d.Port)) }

func (r Redis) address() string { return net.JoinHostPort(r.Host, strconv.Itoa(r.Port)) }
