// Package jars brings Java programs to this machine: what a pom.xml names, from
// Maven Central into the user's cache.
package jars

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/gamemetrics/gmctl/internal/testenv/cache"
	"github.com/gamemetrics/gmctl/internal/testenv/process"
)

// Program is a Java program.
type Program struct {
	Name   string // with its version
	POM    []byte
	Beside []File // what else lies in its folder
}

// File is a file of a Program's folder.
type File struct {
	Name    string
	Content []byte
}

// Installed is a Program on this machine.
type Installed struct {
	Java string // path of the java program
	Dir  string // holds jars/ and what lies beside it
}

// Classpath returns the class path that holds all jars.
func (i Installed) Classpath() string { return filepath.Join(i.Dir, "jars", "*") }

// fetchTimeout bounds the one download, of some 45 MiB.
const fetchTimeout = 5 * time.Minute

// Fetch returns the program in the user's cache; the first call on a machine gets
// it. Any number of processes may call it at once. The error names what is missing.
func (p Program) Fetch(ctx context.Context) (Installed, error) {
	java, err := findJava()
	if err != nil {
		return Installed{}, err
	}
	of := [][]byte{p.POM}
	for _, file := range p.Beside {
		of = append(of, file.Content)
	}
	dir, err := cache.Entry{Name: p.Name, Of: of, Fill: p.fetchInto}.Dir(ctx)
	return Installed{Java: java, Dir: dir}, err
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

// fetchInto gets the jars.
func (p Program) fetchInto(ctx context.Context, dir string) error {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	mvn, err := exec.LookPath("mvn")
	if err != nil {
		return errors.New("mvn is not on PATH")
	}
	for _, file := range append([]File{{"pom.xml", p.POM}}, p.Beside...) {
		if err := os.WriteFile(filepath.Join(dir, file.Name), file.Content, 0o644); err != nil {
			return err
		}
	}
	cmd := exec.CommandContext(ctx, mvn, "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory="+filepath.Join(dir, "jars"))
	cmd.Dir = dir
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("mvn could not fetch %s: %w: %s", p.Name, err, process.LastLines(string(output), 5))
	}
	return nil
}
