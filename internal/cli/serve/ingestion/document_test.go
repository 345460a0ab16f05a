//go:build unix

package ingestion_test

import (
	"math/rand/v2"
	"testing"

	"github.com/gamemetrics/gmctl/internal/testenv/schemathesis"
	"github.com/gamemetrics/gmctl/internal/testenv/serve"
	"github.com/gamemetrics/gmctl/pkg/eventapi"
)

// Whatever a client sends, the answer is one that openapi.json has: what is made
// after the document, and what is made to break it.
func TestServeKeepsItsDocument(t *testing.T) {
	dsn := pg.Database(t)
	s := command.Start(t, "--migrate", "--database-url", dsn)
	serve.Eventually(t, "the service is ready", func() bool { return s.Ready(t) })
	requests := schemathesis.Run(t, "http://"+s.Address+eventapi.OpenAPIPath, schemathesis.Options{
		Examples: 40, Seed: rand.Uint64N(1 << 32), Config: "testdata/schemathesis.toml",
	})
	if requests < 100 {
		t.Errorf("only %d requests were made", requests)
	}
	stored := count(t, dsn, "SELECT count(*) FROM events")
	if t.Logf("%d requests, %d events stored", requests, stored); stored < 5 {
		t.Errorf("only %d events were stored: what is refused tells little", stored)
	}
	if !s.Ready(t) {
		t.Error("the service is not ready after it")
	}
}
