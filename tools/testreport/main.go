// Command testreport reads what `go test -json` wrote and closes a test run: it
// names the tests that were skipped, grouped by what they need and how to get
// it, and prints the counts.
//
//	testreport EVENTS
package main

import (
	"fmt"
	"os"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: testreport EVENTS")
		os.Exit(2)
	}
	if err := report(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "testreport:", err)
		os.Exit(1)
	}
}

func report(events string) error {
	file, err := os.Open(events)
	if err != nil {
		return err
	}
	defer file.Close()
	report, err := Read(file)
	if err != nil {
		return err
	}
	report.Print(os.Stdout)
	return nil
}
