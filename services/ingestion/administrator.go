package ingestion

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/gamemetrics/gmctl/pkg/eventapi"
)

// pathName is what handlers call the part of a path that says what it is about.
const pathName = "name"

// patternOf returns the pattern of a path that reads, and what it names; empty where
// the path is none. What is named may hold an escaped slash.
func patternOf(u *url.URL) (pattern, name string) {
	path := u.EscapedPath()
	for _, pattern := range []string{eventapi.EventPath, eventapi.PlayerEventsPath} {
		before, rest, _ := strings.Cut(pattern, "{")
		_, after, _ := strings.Cut(rest, "}")
		escaped, begins := strings.CutPrefix(path, before)
		escaped, ends := strings.CutSuffix(escaped, after)
		if name, err := url.PathUnescape(escaped); begins && ends && err == nil && name != "" && !strings.Contains(escaped, "/") {
			return pattern, name
		}
	}
	return "", ""
}

// administrator returns the game whose events the request may read; empty: all.
func (s *Server) administrator(r *http.Request) (game string, err error) {
	if s.config.OpenHere && keyText(r) == "" && isFromHere(r) {
		return "", nil
	}
	key, err := s.keyOf(r)
	switch {
	case err != nil:
		return "", err
	case key == nil:
		return "", unauthorized("reading events takes an administrator's API key: make one with gmctl keys create --admin")
	case !key.Admin:
		return "", &requestError{
			status: http.StatusForbidden, code: eventapi.Forbidden,
			message: "the API key " + key.ID + " may bring events, and not read them: make one with gmctl keys create --admin",
		}
	}
	return key.Game, (&sender{key: key}).checkOrigin(r)
}

// isFromHere reports whether a program of this machine asks for this machine. A web
// page that has its own name lead to 127.0.0.1 does not: it asks for that name.
func isFromHere(r *http.Request) bool {
	remote, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !remote.Addr().Unmap().IsLoopback() {
		return false
	}
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if host == "localhost" {
		return true
	}
	address, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && address.Unmap().IsLoopback()
}
