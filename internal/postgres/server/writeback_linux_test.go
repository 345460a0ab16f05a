package server_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sys/unix"

	"github.com/gamemetrics/gmctl/internal/postgres/server"
	"github.com/gamemetrics/gmctl/internal/testenv"
)

// The kernel would write the table to disk when it is 30 s old.
func TestWhatIsAddedIsWrittenBackSoon(t *testing.T) {
	cfg := newConfig(t)
	s, err := server.Start(t.Context(), cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Stop(t.Context()) })
	conn, err := pgx.Connect(t.Context(), s.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), "CREATE TABLE filler AS SELECT repeat('x', 1000) AS text FROM generate_series(1, 50000) n"); err != nil {
		t.Fatal(err)
	}
	var file string
	if err := conn.QueryRow(t.Context(), "SELECT pg_relation_filepath('filler')").Scan(&file); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	cached, dirty := pagesOf(t, filepath.Join(cfg.DataDir, file))
	if cached < 5000 {
		t.Fatalf("only %d pages of the table are in the page cache", cached)
	}
	for dirty > cached/10 {
		if time.Since(began) > 15*time.Second {
			t.Fatalf("%d pages of %d are not on disk", dirty, cached)
		}
		time.Sleep(50 * time.Millisecond)
		_, dirty = pagesOf(t, filepath.Join(cfg.DataDir, file))
	}
}

// pagesOf is how many pages of a file the kernel has, and how many of them differ
// from the disk.
func pagesOf(t *testing.T, name string) (cached, dirty int) {
	t.Helper()
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var pages unix.Cachestat_t
	err = unix.Cachestat(uint(file.Fd()), &unix.CachestatRange{}, &pages, 0)
	if errors.Is(err, unix.ENOSYS) && !testenv.Required("all") {
		t.Skip("needs cachestat(2), of Linux 6.5")
	}
	if err != nil {
		t.Fatal(err)
	}
	return int(pages.Cache), int(pages.Dirty + pages.Writeback)
}
