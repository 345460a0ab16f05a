package service

import (
	"os"
	"runtime/debug"
)

// collectAt is by how many percent the heap may grow before it is collected. What
// a service keeps is small, and what it allocates for a request is garbage at
// once: at Go's 100 a busy one collects its few megabytes dozens of times a second,
// a sixth of its CPU.
const collectAt = 300

// CollectSeldom trades some memory for CPU up to so many MiB, unless GOGC or
// GOMEMLIMIT say what is wanted.
func CollectSeldom(upTo int64) {
	if os.Getenv("GOGC") == "" && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetGCPercent(collectAt)
		debug.SetMemoryLimit(upTo << 20)
	}
}
