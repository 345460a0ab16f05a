// Command gmctl runs GameMetrics Pro.
package main

import (
	"os"

	"github.com/gamemetrics/gmctl/internal/cli"
)

func main() { os.Exit(cli.Main()) }
