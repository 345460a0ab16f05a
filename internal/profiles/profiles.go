// Package profiles serves the profiles of Go over HTTP.
package profiles

import (
	"net/http"
	"net/http/pprof" // it registers itself with http.DefaultServeMux, which nothing here serves
)

// Handle serves the profiles under /debug/pprof/. They are for those who run a
// service, and not for its clients.
func Handle(mux *http.ServeMux) {
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
}
