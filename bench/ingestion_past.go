//go:build unix

package main

import (
	"context"
	"crypto/md5"
	_ "embed"
	"encoding/hex"
	"fmt"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/gamemetrics/gmctl/internal/humanize"
	"github.com/gamemetrics/gmctl/internal/postgres"
)

//go:embed queries/fill_day.sql
var fillDay string

const (
	pastPlayers = 1_000_000
	dayMs       = 24 * 60 * 60 * 1000
)

// past is the events that a table holds since long, spread evenly over so many days
// before now. What an event is follows from its number.
type past struct {
	rows, over    int64 // over so many days
	again         int64 // the first that any returns
	start, stepMs int64 // Unix milliseconds
}

func newPast(rows, days int, now time.Time) *past {
	step := int64(days * dayMs / max(rows, 1))
	return &past{rows: int64(rows), over: int64(days), start: now.UnixMilli() - int64(rows)*step, stepMs: step}
}

// appendEvent appends event n in JSON, as whoever sends it again does.
func (p *past) appendEvent(b []byte, n int64) []byte {
	ms := p.start + n*p.stepMs
	var number [20]byte
	sum := md5.Sum(strconv.AppendInt(number[:0], n, 10))
	hash := hex.AppendEncode(nil, sum[:])
	id := strconv.AppendInt([]byte{'0'}, ms, 16)
	b = append(append(b, `{"eventId":"`...), id[:8]...)
	b = append(append(b, '-'), id[8:]...)
	b = append(append(b, "-7"...), hash[:3]...)
	b = append(append(b, "-8"...), hash[3:6]...)
	b = append(append(b, '-'), hash[6:18]...)
	b = strconv.AppendInt(append(b, `","playerId":"player-`...), n*7919%pastPlayers, 10)
	b = append(b, `","eventType":"shot_fired","timestamp":"`...)
	b = time.UnixMilli(ms).UTC().AppendFormat(b, time.RFC3339Nano)
	return append(b, `"}`...)
}

// any returns the number of an event somewhere in the past: successive n are far
// from each other.
func (p *past) any(n int) int64 {
	const golden = 2_654_435_761 // a prime: its multiples come to each number before to one again
	return p.again + int64(n)*golden%(p.rows-p.again)
}

// lastDay is the same past, of which any returns events of the last day only.
func (p *past) lastDay() *past {
	day := *p
	day.again = p.rows - p.rows/p.over
	return &day
}

// days calls work with each UTC day of the past, and the numbers of its events.
func (p *past) days(work func(day time.Time, first, behind int64)) {
	from := func(ms int64) int64 { return min(max((ms-p.start+p.stepMs-1)/p.stepMs, 0), p.rows) }
	for day := p.start / dayMs; from(day*dayMs) < p.rows; day++ {
		work(time.UnixMilli(day*dayMs).UTC(), from(day*dayMs), from((day+1)*dayMs))
	}
}

// What a row of the past takes on disk with its indexes, and what PostgreSQL needs
// besides: its write-ahead log, and what a load adds.
const (
	pastRowBytes = 260
	pastBeside   = 8 << 30
)

// fits returns an error that says how much is missing where the disk is too small.
func (g *grounds) fits(rows int) error {
	var disk syscall.Statfs_t
	if err := syscall.Statfs(g.postgres.DataDir(), &disk); err != nil {
		return err
	}
	free, needed := int64(disk.Bavail*uint64(disk.Bsize)), int64(rows)*pastRowBytes+pastBeside
	if free < needed {
		return fmt.Errorf("%d rows need %s of disk, %s are free at %s: set TMPDIR to a larger one, or -rows to less",
			rows, humanize.Bytes(needed), humanize.Bytes(free), g.postgres.DataDir())
	}
	return nil
}

// remember fills the site's empty table with the past, and returns when it is at
// rest: vacuumed, analysed and written back.
func (s *site) remember(ctx context.Context, p *past) error {
	pool, err := postgres.Open(ctx, postgres.Config{DSN: s.dsn})
	if err != nil {
		return err
	}
	defer pool.Close()
	if err := postgres.Migrate(ctx, pool, nil); err != nil {
		return err
	}
	filling, fillCtx := errgroup.WithContext(ctx)
	filling.SetLimit(runtime.NumCPU())
	p.days(func(day time.Time, first, behind int64) {
		filling.Go(func() error { return s.rememberDay(fillCtx, p, day, first, behind) })
	})
	if err := filling.Wait(); err != nil {
		return err
	}
	if _, err := pool.Exec(ctx, "SELECT setval('events_seq', $1)", p.rows); err != nil {
		return err
	}
	return s.administer(ctx, "CHECKPOINT")
}

func (s *site) rememberDay(ctx context.Context, p *past, day time.Time, first, behind int64) error {
	conn, err := pgx.Connect(ctx, s.dsn)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for _, statement := range []string{
		"SET synchronous_commit = off", "SET maintenance_work_mem = '512MB'", "SET max_parallel_maintenance_workers = 0", fillDay,
	} {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return err
		}
	}
	if _, err := conn.Exec(ctx, "SELECT pg_temp.fill_day($1, $2, $3, $4, $5, $6)", day, first, behind, p.start, p.stepMs, int64(pastPlayers)); err != nil {
		return fmt.Errorf("fill %s: %w", day.Format(time.DateOnly), err)
	}
	// now, while it is in memory, and not by the autovacuum during a measurement
	_, err = conn.Exec(ctx, "VACUUM (ANALYZE) "+pgx.Identifier{"events_" + day.Format("2006_01_02")}.Sanitize())
	return err
}
