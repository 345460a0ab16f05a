package kafka

import (
	"context"
	_ "embed"
	"encoding/xml"
	"fmt"
	"os/exec"
	"path/filepath"

	"github.com/gamemetrics/gmctl/internal/testenv/jars"
)

// The main classes of Kafka's console tools, for Distribution.Tool.
const (
	ConsoleProducer = "org.apache.kafka.tools.ConsoleProducer"
	ConsoleConsumer = "org.apache.kafka.tools.consumer.ConsoleConsumer"
)

//go:embed pom.xml
var pom []byte

//go:embed log4j2.properties
var log4j []byte

// Distribution is Apache Kafka on this machine.
type Distribution struct {
	Version string
	jars.Installed
}

// Tool returns a command that runs a main class of Kafka, as the shell scripts
// of a Kafka download do.
func (d *Distribution) Tool(ctx context.Context, class string, args ...string) *exec.Cmd {
	jvm := []string{
		"-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto",
		"-Dlog4j2.configurationFile=" + filepath.Join(d.Dir, "log4j2.properties"),
		"-cp", d.Classpath(), class,
	}
	return exec.CommandContext(ctx, d.Java, append(jvm, args...)...)
}

// Fetch returns the distribution in the user's cache; the first call on a
// machine gets it from Maven Central. Any number of processes may call it at
// once. The error names what is missing.
func Fetch(ctx context.Context) (*Distribution, error) {
	version, err := pomVersion()
	if err != nil {
		return nil, err
	}
	installed, err := jars.Program{Name: "kafka-" + version, POM: pom, Beside: []jars.File{{Name: "log4j2.properties", Content: log4j}}}.Fetch(ctx)
	if err != nil {
		return nil, err
	}
	return &Distribution{Version: version, Installed: installed}, nil
}

func pomVersion() (string, error) {
	var project struct {
		Version string `xml:"properties>kafka.version"`
	}
	if err := xml.Unmarshal(pom, &project); err != nil {
		return "", fmt.Errorf("read pom.xml: %w", err)
	}
	return project.Version, nil
}
