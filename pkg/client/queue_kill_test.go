package client_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/gamemetrics/gmctl/pkg/client"
	"github.com/gamemetrics/gmctl/pkg/event"
)

// numbered is the n-th event of a player.
func numbered(player string, n int) event.Event {
	return event.Event{EventID: uuid.New(), PlayerID: player, EventType: "step", Timestamp: time.Now(), Metadata: fmt.Appendf(nil, `{"n":%d}`, n)}
}

func ascending(t *testing.T, order map[string][]int) {
	t.Helper()
	for player, numbers := range order {
		if !slices.IsSorted(numbers) {
			t.Errorf("the events of %s are stored as %v", player, numbers)
		}
	}
}

// The service is killed again and again under load: every event is stored once,
// those of a player in order, and the queue tells of each that it is stored.
func TestTheServiceIsKilledUnderLoad(t *testing.T) {
	p := newPlatform(t)
	p.start(t)
	var mu sync.Mutex
	told := map[string]client.Fate{}
	q := newQueue(t, dial(t, p.url()), client.QueueConfig{
		MaxEvents: 50, MaxMemory: 200_000, Linger: 2 * time.Millisecond,
		OnOutcome: func(o client.Outcome) {
			mu.Lock()
			defer mu.Unlock()
			if before, twice := told[o.EventID.String()]; twice {
				t.Errorf("the queue told of %s: %s, then %s", o.EventID, before, o.Fate)
			}
			told[o.EventID.String()] = o.Fate
		},
	})
	const players, each = 20, 400
	var load sync.WaitGroup
	for i := range players {
		load.Go(func() {
			for n := range each {
				if _, err := q.Enqueue(t.Context(), numbered(fmt.Sprint("p", i), n)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	stop := make(chan struct{})
	var killer sync.WaitGroup
	kills := 0
	killer.Go(func() {
		for answered := int64(0); ; time.Sleep(time.Millisecond) {
			select {
			case <-stop:
				return
			default:
			}
			// Each life gets something done, however slow the machine is.
			if now := q.Stats().Requests; now > answered {
				answered = now
				time.Sleep(rand.N(100 * time.Millisecond))
				p.server.Kill()
				kills++
				p.start(t)
			}
		}
	})
	load.Wait()
	close(stop)
	killer.Wait()
	flush(t, q)
	times, order := p.stored(t)
	for id, fate := range told {
		if fate != client.Stored && fate != client.Duplicate {
			t.Errorf("event %s is %s", id, fate)
		}
	}
	for id, n := range times {
		if n != 1 || told[id] == 0 {
			t.Errorf("event %s is stored %d times and told as %s", id, n, told[id])
		}
	}
	if len(times) != players*each || len(told) != players*each || kills == 0 {
		t.Errorf("%d of %d events are stored, %d told, after %d kills", len(times), players*each, len(told), kills)
	}
	ascending(t, order)
	t.Logf("%d kills, %+v", kills, q.Stats())
}

// The sender is killed while the service comes and goes. Another process finishes
// what it left: every event that Enqueue took is stored once, in order.
func TestTheSenderIsKilled(t *testing.T) {
	p := newPlatform(t)
	folder := t.TempDir()
	spool, acknowledged := filepath.Join(folder, "spool"), filepath.Join(folder, "acknowledged")
	p.start(t)
	for life := range 4 {
		sender := start(t, "sender", p.url(), spool, acknowledged, strconv.Itoa(life), "0")
		wait(t, "the sender has enqueued something", func() bool { return len(lines(t, acknowledged)) > 500*(life+1) })
		if life%2 == 1 {
			p.server.Kill()
		}
		time.Sleep(rand.N(100 * time.Millisecond))
		sender.Kill()
		if life%2 == 1 {
			p.start(t)
		}
	}
	q := newQueue(t, dial(t, p.url()), client.QueueConfig{Spool: &client.Spool{Dir: spool}})
	flush(t, q)
	auditAcknowledged(t, p, acknowledged)
	if stats := q.Stats(); stats.Refused != 0 || stats.SpoolBytes < 0 {
		t.Errorf("%+v", stats)
	}
}

func auditAcknowledged(t *testing.T, p *platform, file string) {
	t.Helper()
	times, order := p.stored(t)
	ids := lines(t, file)
	missing := 0
	for _, id := range ids {
		if times[id] != 1 {
			missing++
		}
	}
	if missing > 0 || len(ids) == 0 {
		t.Errorf("of %d events that Enqueue took %d are not stored", len(ids), missing)
	}
	ascending(t, order)
	t.Logf("%d events were taken, %d are stored", len(ids), len(times))
}

// The disk is full while the service is away: Enqueue says so, and what it took
// before is stored when the service is back.
func TestTheSpoolsDiskIsFull(t *testing.T) {
	p := newPlatform(t)
	folder := t.TempDir()
	spool, acknowledged := filepath.Join(folder, "spool"), filepath.Join(folder, "acknowledged")
	sender := start(t, "sender", p.url(), spool, acknowledged, "0", "100000")
	select {
	case <-sender.Done():
	case <-time.After(patience):
		t.Fatal("the sender does not find its disk full")
	}
	p.start(t)
	q := newQueue(t, dial(t, p.url()), client.QueueConfig{Spool: &client.Spool{Dir: spool}})
	flush(t, q)
	auditAcknowledged(t, p, acknowledged)
}

// beSender enqueues events until it is killed, and notes the ids of those that
// Enqueue took. With a limit its files cannot grow over so many bytes, as on a full
// disk; it ends at the first event that has no room.
func beSender(args []string) error {
	url, spool, acknowledged := args[0], args[1], args[2]
	life, _ := strconv.Atoi(args[3])
	limit, _ := strconv.Atoi(args[4])
	file, err := os.OpenFile(acknowledged, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if limit > 0 {
		signal.Ignore(syscall.SIGXFSZ)
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: uint64(limit), Max: uint64(limit)}); err != nil {
			return err
		}
	}
	c, err := client.New(url, client.WithRetry(quick))
	if err != nil {
		return err
	}
	q, err := client.NewQueue(c, client.QueueConfig{MaxEvents: 20, Linger: time.Millisecond, Spool: &client.Spool{Dir: spool, Sync: client.SyncNever}})
	if err != nil {
		return err
	}
	ctx := context.Background()
	for n := 0; ; n++ {
		e := numbered(fmt.Sprint("p", n%7), life*1_000_000+n)
		if _, err := q.Enqueue(ctx, e); err != nil {
			if limit > 0 && errors.Is(err, syscall.EFBIG) {
				return nil
			}
			return err
		}
		if _, err := fmt.Fprintln(file, e.EventID); err != nil {
			return err
		}
		if limit == 0 && n%50 == 0 {
			time.Sleep(time.Millisecond) // so that it does not fill the disk of the test
		}
	}
}

func lines(t *testing.T, path string) (all []string) {
	t.Helper()
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for scanner := bufio.NewScanner(file); scanner.Scan(); {
		if len(scanner.Text()) == 36 { // the last one may be half written
			all = append(all, scanner.Text())
		}
	}
	return all
}
