package kafka

import (
	"context"
	_ "embed"
	"encoding/xml"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/gamemetrics/gmctl/internal/testenv/cache"
	"github.com/gamemetrics/gmctl/internal/testenv/process"
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
	Java    string // path of the java program
	dir     string // holds jars/ and log4j2.properties
}

// Classpath returns the class path that holds brokers and tools.
func (d *Distribution) Classpath() string { return filepath.Join(d.dir, "jars", "*") }

// Tool returns a command that runs a main class of Kafka, as the shell scripts
// of a Kafka download do.
func (d *Distribution) Tool(ctx context.Context, class string, args ...string) *exec.Cmd {
	jvm := []string{
		"-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto",
		"-Dlog4j2.configurationFile=" + filepath.Join(d.dir, "log4j2.properties"),
		"-cp", d.Classpath(), class,
	}
	return exec.CommandContext(ctx, d.Java, append(jvm, args...)...)
}

// fetchTimeout bounds the one download of about 45 MiB.
const fetchTimeout = 5 * time.Minute

// Fetch returns the distribution in the user's cache; the first call on a
// machine gets it from Maven Central. Any number of processes may call it at
// once. The error names what is missing.
func Fetch(ctx context.Context) (*Distribution, error) {
	version, err := pomVersion()
	if err != nil {
		return nil, err
	}
	java, err := findJava()
	if err != nil {
		return nil, err
	}
	dir, err := cache.Entry{Name: "kafka-" + version, Of: [][]byte{pom, log4j}, Fill: fetchInto}.Dir(ctx)
	if err != nil {
		return nil, err
	}
	return &Distribution{Version: version, Java: java, dir: dir}, nil
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

func findJava() (string, error) {
	if home := os.Getenv("JAVA_HOME"); home != "" {
		if java, err := exec.LookPath(filepath.Join(home, "bin", "java")); err == nil {
			return java, nil
		}
	}
	java, err := exec.LookPath("java")
	if err != nil {
		return "", errors.New("java is not on PATH and JAVA_HOME does not hold it")
	}
	return java, nil
}

// fetchInto gets the jars from Maven Central.
func fetchInto(ctx context.Context, dir string) error {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	mvn, err := exec.LookPath("mvn")
	if err != nil {
		return errors.New("mvn is not on PATH")
	}
	for name, content := range map[string][]byte{"pom.xml": pom, "log4j2.properties": log4j} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return err
		}
	}
	cmd := exec.CommandContext(ctx, mvn, "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory="+filepath.Join(dir, "jars"))
	cmd.Dir = dir
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("mvn could not fetch Kafka: %w: %s", err, process.LastLines(string(output), 5))
	}
	return nil
}
