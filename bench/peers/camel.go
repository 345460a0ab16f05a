package peers

import (
	"context"
	_ "embed"
	"net"
	"os/exec"

	"github.com/gamemetrics/gmctl/internal/testenv/jars"
)

//go:embed camel/pom.xml
var camelPOM []byte

//go:embed camel/application.properties.tmpl
var camelProperties string

//go:embed camel/routes.yaml
var camelRoutes string

//go:embed camel/insert.sql
var camelInsert string

//go:embed camel/insert_batch.sql
var camelInsertBatch string

// Camel is Apache Camel as an API of events: HTTP, then PostgreSQL, then Kafka, and
// the answer when both have acknowledged.
type Camel struct{ installed jars.Installed }

// FetchCamel returns what Camel consists of; the first call on a machine gets it.
func FetchCamel(ctx context.Context) (*Camel, error) {
	installed, err := jars.Program{Name: "camel", POM: camelPOM}.Fetch(ctx)
	if err != nil {
		return nil, err
	}
	return &Camel{installed}, nil
}

// Command returns what runs Camel: it listens at address, and keeps its configuration
// in dir.
func (c *Camel) Command(dir, address string, database Database, brokers, topic string) (*exec.Cmd, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	err = write(dir, map[string]string{
		"application.properties": camelProperties,
		"routes.yaml":            camelRoutes,
		"insert.sql":             camelInsert,
		"insert_batch.sql":       camelInsertBatch,
	}, map[string]any{"Dir": dir, "Host": host, "Port": port, "Database": database, "Brokers": brokers, "Topic": topic})
	if err != nil {
		return nil, err
	}
	return exec.Command(c.installed.Java, jvm(c.installed, dir, "org.apache.camel.main.Main")...), nil
}
