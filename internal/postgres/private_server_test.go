package postgres_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/gamemetrics/gmctl/internal/postgres"
)

var adminDSN string
var databases atomic.Int64

func TestMain(m *testing.M) {
	dir, _ := os.MkdirTemp("", "pgtest")
	os.Chmod(dir, 0o755)
	data := filepath.Join(dir, "data")
	os.Mkdir(data, 0o700)
	attr := &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() == 0 {
		u, err := user.Lookup("postgres")
		if err != nil {
			panic(err)
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		os.Chown(data, uid, gid)
		attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	l, _ := net.Listen("tcp", "127.0.0.1:0")
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	init := exec.Command("initdb", "-D", data, "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C")
	init.SysProcAttr = attr
	init.Dir = data
	if out, err := init.CombinedOutput(); err != nil {
		panic(string(out))
	}
	srv := exec.Command("postgres", "-D", data, "-p", strconv.Itoa(port), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync="+fsyncSetting())
	srv.SysProcAttr = attr
	srv.Dir = data
	if os.Getenv("PGTEST_LOG") != "" {
		srv.Stderr = os.Stderr
	}
	srv.Start()
	adminDSN = fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres", port)
	for {
		c, err := pgx.Connect(context.Background(), adminDSN)
		if err == nil {
			c.Exec(context.Background(), "CREATE ROLE gamemetrics LOGIN")
			c.Close(context.Background())
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	code := m.Run()
	srv.Process.Signal(syscall.SIGINT)
	srv.Wait()
	os.RemoveAll(dir)
	os.Exit(code)
}

func fsyncSetting() string {
	if os.Getenv("PGTEST_FSYNC") != "" {
		return "on"
	}
	return "off"
}

func emptyDatabase(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("t%d", databases.Add(1))
	c, err := pgx.Connect(t.Context(), adminDSN)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context())
	if _, err := c.Exec(t.Context(), "CREATE DATABASE "+name+" OWNER gamemetrics"); err != nil {
		t.Fatal(err)
	}
	cfg, _ := pgx.ParseConfig(adminDSN)
	return fmt.Sprintf("postgres://gamemetrics@127.0.0.1:%d/%s", cfg.Port, name)
}

func migrated(t testing.TB) *pgxpool.Pool {
	t.Helper()
	pool, err := postgres.Open(t.Context(), postgres.Config{DSN: emptyDatabase(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	if err := postgres.Migrate(t.Context(), pool, nil); err != nil {
		t.Fatal(err)
	}
	return pool
}
