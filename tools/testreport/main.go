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
	file, err := os.Open(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "testreport:", err)
		os.Exit(1)
	}
	defer file.Close()
	report, err := Read(file)
	if err != nil {
		fmt.Fprintln(os.Stderr, "testreport:", err)
		os.Exit(1) //nolint:gocritic // the file was only read
	}
	report.Print(os.Stdout)
}
