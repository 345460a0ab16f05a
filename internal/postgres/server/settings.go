package server

import (
	"maps"
	"slices"
	"strconv"
)

// serverArguments are the arguments of postgres. Settings are given here rather
// than in postgresql.conf so that each start has exactly those of this gmctl.
func serverArguments(cfg Config) []string {
	settings := map[string]string{
		// One machine's own clients, over TCP: a socket's path would often be
		// longer than the 107 bytes the system allows.
		"listen_addresses":        "127.0.0.1",
		"port":                    strconv.Itoa(cfg.Port),
		"unix_socket_directories": "",

		// An event is acknowledged when it is on disk.
		"fsync":              "on",
		"synchronous_commit": "on",
		"full_page_writes":   "on",

		// After a crash it is for the caller to start it again: by itself it does
		// so without a pause, for ever, and without a word to anyone.
		"restart_after_crash": "off",

		// A laptop's share of memory and disk.
		"max_connections": "100",
		"shared_buffers":  "128MB",
		"min_wal_size":    "80MB",
		"max_wal_size":    "1GB",
		"wal_compression": "on",

		// Events carry UTC days; the log is read by gmctl.
		"timezone":          "UTC",
		"log_timezone":      "UTC",
		"lc_messages":       "C",
		"log_destination":   "stderr",
		"logging_collector": "off",
		"log_line_prefix":   "%m [%p] ",
	}
	maps.Copy(settings, cfg.Settings)
	arguments := []string{"-D", cfg.DataDir}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		arguments = append(arguments, "-c", name+"="+settings[name])
	}
	return arguments
}
