// Package peers has the products that ingestion and relay are measured against:
// which jars they consist of, and how they are configured, which is what a user of
// theirs would write who wants them fast.
package peers

import (
	"bytes"
	"os"
	"path/filepath"
	"text/template"

	"github.com/gamemetrics/gmctl/internal/testenv/jars"
)

// Database is where a peer finds PostgreSQL.
type Database struct {
	Host           string
	Port           int
	Name           string
	User, Password string
}

// jvm are the options of all peers: enough memory, and the collector that gives the
// most throughput on few cores. The compiler is left to do its best.
func jvm(program jars.Installed, classpath string, more ...string) []string {
	options := []string{
		"-Xms1g", "-Xmx1g", "-XX:+UseParallelGC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
		"-cp", classpath + string(os.PathListSeparator) + program.Classpath(),
	}
	return append(options, more...)
}

// write writes files into dir; what of is, is filled into them.
func write(dir string, files map[string]string, of any) error {
	for name, text := range files {
		parsed, err := template.New(name).Option("missingkey=error").Delims("<<", ">>").Parse(text)
		if err != nil {
			return err
		}
		var content bytes.Buffer
		if err := parsed.Execute(&content, of); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), content.Bytes(), 0o600); err != nil {
			return err
		}
	}
	return nil
}
