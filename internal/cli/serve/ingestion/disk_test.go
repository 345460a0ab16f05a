//go:build unix

package ingestion_test

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/gamemetrics/gmctl/internal/testenv/disk"
	"github.com/gamemetrics/gmctl/internal/testenv/postgres"
	"github.com/gamemetrics/gmctl/internal/testenv/serve"
	"github.com/gamemetrics/gmctl/pkg/eventapi"
)

// onDisk makes a database whose tables lie on the disk.
func onDisk(t *testing.T, server *postgres.Server, d *disk.Disk) (dsn string) {
	t.Helper()
	dir := filepath.Join(d.Path(), "tables")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	var owner syscall.Stat_t
	if err := syscall.Stat(server.DataDir(), &owner); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(dir, int(owner.Uid), int(owner.Gid)); err != nil {
		t.Fatal(err)
	}
	admin, err := pgx.Connect(t.Context(), server.SuperuserDSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(t.Context())
	for _, statement := range []string{
		fmt.Sprintf("CREATE TABLESPACE small LOCATION '%s'", dir),
		"CREATE DATABASE small OWNER gamemetrics TABLESPACE small",
	} {
		if _, err := admin.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	on, err := url.Parse(server.DSN())
	if err != nil {
		t.Fatal(err)
	}
	on.Path = "small"
	return on.String()
}

// With its disk full PostgreSQL answers and takes no event (SQLSTATE 53100): neither
// does the service then. It says why, and needs no restart when there is room again.
func TestServeOutlivesAFullDisk(t *testing.T) {
	d := disk.Run(t, 128)
	dsn := onDisk(t, postgres.Start(t, postgres.Options{}), d)
	s := command.Start(t, "--migrate", "--database-url", dsn)
	serve.Eventually(t, "the service is ready", func() bool { return s.Ready(t) })
	stored := 0
	post := func() *http.Response {
		metadata := strings.Repeat(uuid.NewString(), 500) // grows the table by some pages
		response, err := http.Post("http://"+s.Address+eventapi.EventsPath, eventapi.JSON, strings.NewReader(event("full", fmt.Sprintf(`{"text":%q}`, metadata))))
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode == http.StatusCreated {
			stored++
		}
		return response
	}
	if answer := post(); answer.StatusCode != http.StatusCreated {
		t.Fatalf("with room on the disk an event was answered %s", answer.Status)
	}
	if err := d.Fill(); err != nil {
		t.Fatal(err)
	}
	serve.Eventually(t, "events are refused", func() bool {
		answer := post()
		if answer.StatusCode == http.StatusServiceUnavailable && answer.Header.Get("Retry-After") == "" {
			t.Error("an event was refused without Retry-After")
		}
		if answer.StatusCode != http.StatusCreated && answer.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("with the disk full an event was answered %s", answer.Status)
		}
		return answer.StatusCode == http.StatusServiceUnavailable
	})
	if status, body := s.Get(t, "/ready"); status != 503 || !strings.Contains(body, "No space left on device") {
		t.Errorf("with the disk full readiness is %d %s", status, body)
	}
	if status, _ := s.Get(t, "/health"); status != 200 {
		t.Errorf("with the disk full liveness is %d", status)
	}
	if err := d.Free(); err != nil {
		t.Fatal(err)
	}
	serve.Eventually(t, "events are taken again", func() bool { return post().StatusCode == http.StatusCreated })
	if !s.Ready(t) {
		t.Error("with room again the service is not ready")
	}
	if n := count(t, dsn, "SELECT count(*) FROM events"); n != stored {
		t.Errorf("%d events were acknowledged, %d are there", stored, n)
	}
	if err := s.Stop(t); err != nil {
		t.Errorf("the service ended with %v", err)
	}
}
