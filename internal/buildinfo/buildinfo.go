// Package buildinfo says which gmctl this is. The linker stamps it at release.
package buildinfo

import (
	"runtime"
	"runtime/debug"
)

// Stamped by -ldflags "-X …".
var (
	version = ""
	commit  = ""
	date    = ""
)

// Info describes one build of gmctl.
type Info struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Date     string `json:"date,omitempty"` // RFC 3339
	Go       string `json:"go"`
	Platform string `json:"platform"` // GOOS/GOARCH
}

// Get returns what the linker stamped, else what the Go tool recorded.
func Get() Info {
	info := Info{Version: version, Commit: commit, Date: date, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if info.Version != "" {
		return info
	}
	info.Version = "dev"
	build, ok := debug.ReadBuildInfo()
	if !ok {
		return info
	}
	if v := build.Main.Version; v != "" && v != "(devel)" {
		info.Version = v
	}
	for _, s := range build.Settings {
		switch s.Key {
		case "vcs.revision":
			info.Commit = s.Value
		case "vcs.time":
			info.Date = s.Value
		}
	}
	return info
}
