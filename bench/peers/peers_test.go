package peers

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Whatever a peer is told lies in its folder, and holds what was asked for.
func TestPeersAreConfigured(t *testing.T) {
	database := Database{Host: "127.0.0.1", Port: 5433, Name: "bench_1", User: "gamemetrics", Password: "secret"}
	t.Run("Camel", func(t *testing.T) {
		dir := t.TempDir()
		command, err := new(Camel).Command(dir, "127.0.0.1:8099", database, "127.0.0.1:9092", "player.events.raw")
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(command.Args, "org.apache.camel.main.Main") {
			t.Error("runs", command.Args)
		}
		holds(t, filepath.Join(dir, "application.properties"), "camel.server.port = 8099", "jdbc:postgresql://127.0.0.1:5433/bench_1",
			"camel.component.kafka.brokers = 127.0.0.1:9092", "topic = player.events.raw", "file:"+dir+"/routes.yaml")
		holds(t, filepath.Join(dir, "routes.yaml"), "kafka:{{topic}}")
	})
	t.Run("Debezium", func(t *testing.T) {
		dir := t.TempDir()
		command, err := new(Debezium).Command(dir, "127.0.0.1:8083", database, "127.0.0.1:9092")
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(command.Args, filepath.Join(dir, "connector.properties")) {
			t.Error("runs", command.Args)
		}
		holds(t, filepath.Join(dir, "worker.properties"), "bootstrap.servers=127.0.0.1:9092", "listeners=http://127.0.0.1:8083", dir+"/offsets")
		holds(t, filepath.Join(dir, "connector.properties"), "database.port=5433", "database.dbname=bench_1", "database.password=secret")
	})
}

func holds(t *testing.T, path string, texts ...string) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range append(texts, "\n") {
		if !strings.Contains(string(content), text) {
			t.Errorf("%s does not hold %q:\n%s", path, text, content)
		}
	}
	if strings.Contains(string(content), "<<") {
		t.Errorf("%s has a place that was not filled:\n%s", path, content)
	}
}
