package peers

import (
	"context"
	_ "embed"
	"os/exec"
	"path/filepath"

	"github.com/gamemetrics/gmctl/internal/testenv/jars"
)

//go:embed debezium/pom.xml
var debeziumPOM []byte

//go:embed debezium/worker.properties.tmpl
var debeziumWorker string

//go:embed debezium/connector.properties.tmpl
var debeziumConnector string

// DebeziumTopic is where Debezium publishes the rows of the table events.
const DebeziumTopic = "debezium.public.events"

// Debezium is Kafka Connect's standalone worker with Debezium's connector, which
// publishes the table events.
type Debezium struct{ installed jars.Installed }

// FetchDebezium returns what Debezium consists of; the first call on a machine gets it.
func FetchDebezium(ctx context.Context) (*Debezium, error) {
	installed, err := jars.Program{Name: "debezium", POM: debeziumPOM}.Fetch(ctx)
	if err != nil {
		return nil, err
	}
	return &Debezium{installed}, nil
}

// Prepare is what the database is told, by a superuser and one after the other, before
// the events come that are to be published: from its slot on, Debezium has all.
func (*Debezium) Prepare() []string {
	return []string{
		"CREATE PUBLICATION debezium FOR TABLE events WITH (publish_via_partition_root = true)",
		"SELECT pg_create_logical_replication_slot('debezium', 'pgoutput')",
	}
}

// Command returns what runs Debezium, with the user of a superuser. It keeps its
// configuration and its place in dir; listen is for Connect's own API.
func (d *Debezium) Command(dir, listen string, database Database, brokers string) (*exec.Cmd, error) {
	err := write(dir, map[string]string{
		"worker.properties":    debeziumWorker,
		"connector.properties": debeziumConnector,
	}, map[string]any{"Dir": dir, "Listen": listen, "Database": database, "Brokers": brokers})
	if err != nil {
		return nil, err
	}
	return exec.Command(d.installed.Java, jvm(d.installed, dir, "org.apache.kafka.connect.cli.ConnectStandalone",
		filepath.Join(dir, "worker.properties"), filepath.Join(dir, "connector.properties"))...), nil
}
