// Command generate writes the generated files of docs/, and removes the pages
// of commands that are gone.
//
//	generate REPOSITORY
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/gamemetrics/gmctl/internal/cli/docs"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: generate REPOSITORY")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func write(repository string) error {
	files, err := docs.Files(filepath.Join(repository, "internal", "config"))
	if err != nil {
		return err
	}
	to := filepath.Join(repository, "docs")
	if err := os.RemoveAll(filepath.Join(to, "commands")); err != nil {
		return err
	}
	for name, text := range files {
		path := filepath.Join(to, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			return err
		}
	}
	return nil
}
