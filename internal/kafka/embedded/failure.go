package embedded

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// failure is the first write to the logs that failed. kfake goes on after one,
// and tells the client of a transaction whose end it could not write that all is
// well: what was aborted then counts as committed. So nothing more is answered
// after it; the next Start ends on disk what was left open.
type failure struct {
	log     *slog.Logger
	cluster atomic.Pointer[kfake.Cluster] // nil while it starts
	once    sync.Once
	done    chan struct{} // closed when a write has failed; err is then set
	err     error
}

var _ kfake.Logger = (*failure)(nil)

func newFailure(log *slog.Logger) *failure { return &failure{log: log, done: make(chan struct{})} }

// Logf learns from what kfake logs of the writes that fail: it has no other way
// to tell of them. kfake calls it within the request that writes, and handles
// one request at a time.
func (f *failure) Logf(level kfake.LogLevel, format string, values ...any) {
	if level > kfake.LogLevelWarn || !strings.HasPrefix(format, "persist ") && !strings.HasPrefix(format, "endTx: failed ") {
		return
	}
	f.once.Do(func() {
		f.err = fmt.Errorf(format, values...)
		f.log.Error("a write to the logs failed, nothing more is answered", "error", f.err)
		close(f.done)
		if cluster := f.cluster.Load(); cluster != nil {
			cluster.Control(func(kmsg.Request) (kmsg.Response, error, bool) {
				cluster.KeepControl()
				return nil, f.err, true // closes the connection
			})
		}
	})
}

func (f *failure) happened() bool {
	select {
	case <-f.done:
		return true
	default:
		return false
	}
}

// Failed is closed when the broker could not write to its logs. It answers
// nothing more then: Close it and Start it anew.
func (b *Broker) Failed() <-chan struct{} { return b.failure.done }

// Err is why the broker Failed, a *problem.Error; nil before.
func (b *Broker) Err() error {
	if !b.failure.happened() {
		return nil
	}
	return diskProblem("the embedded Kafka could not write to its logs", b.dir, b.failure.err)
}

// diskProblem explains why the logs in dir cannot be worked with.
func diskProblem(what, dir string, cause error) *problem.Error {
	p := &problem.Error{What: what, Cause: cause, Next: "look at the disk that holds " + dir}
	if errors.Is(cause, syscall.ENOSPC) || strings.Contains(cause.Error(), syscall.ENOSPC.Error()) {
		p.Next = "free some disk space for " + dir + "; it goes on by itself then"
	}
	return p
}

// room is what must be free on the disk for a broker to start, in bytes.
const room = 1 << 20

// haveRoom returns an error where the disk is full: a broker that starts there
// would fail with its first write.
func haveRoom(dir string) error {
	path := filepath.Join(dir, "room.tmp")
	err := synced(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, func(f *os.File) error {
		_, err := f.Write(make([]byte, room))
		return err
	})
	return errors.Join(err, remove(path))
}

// forget removes the state that kfake saved when it was closed after a failure:
// the logs are right, it is not.
func forget(dir string) error {
	return remove(filepath.Join(dir, sessionState))
}

func remove(path string) error {
	if err := os.Remove(path); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
