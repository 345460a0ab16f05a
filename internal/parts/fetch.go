package parts

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gamemetrics/gmctl/internal/problem"
)

const (
	parallel   = 8
	attempts   = 4
	pause      = 500 * time.Millisecond // before the second attempt; doubles
	perAttempt = time.Minute
	largest    = 64 << 20 // bytes of a manifest
)

// Fetch brings those files of the lock that the store lacks, or that were
// altered, and returns how many that were. Its error is a *problem.Error.
func (s Store) Fetch(ctx context.Context, lock *Lock) (fetched int, err error) {
	var missing []pinned
	for _, wanted := range lock.files() {
		if !wanted.part.Remote() {
			continue
		}
		if _, err := s.read(wanted); err != nil {
			missing = append(missing, wanted)
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	var done counter
	for _, wanted := range missing {
		group.Go(func() error {
			if err := s.fetch(ctx, wanted); err != nil {
				return err
			}
			done.next(func(n int) {
				if s.Progress != nil {
					s.Progress(n, len(missing), wanted.String())
				}
			})
			return nil
		})
	}
	err = group.Wait()
	return done.n, err
}

// counter counts, and lets one at a time tell of it.
type counter struct {
	mu sync.Mutex
	n  int
}

func (c *counter) next(tell func(n int)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	tell(c.n)
}

func (s Store) fetch(ctx context.Context, wanted pinned) error {
	content, err := s.download(ctx, wanted.address())
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return &problem.Error{
			What: fmt.Sprintf("%s cannot be fetched", wanted), Cause: err,
			Next: "check the way to " + host(wanted.address()) + " (HTTPS_PROXY is respected), or bring the files from a machine that has it: gmctl parts fetch --from DIR",
		}
	}
	if err := wanted.verify(content); err != nil {
		return &problem.Error{
			What: fmt.Sprintf("%s is not the file that is pinned", wanted), Cause: fmt.Errorf("%s: %w", wanted.address(), err),
			Next: "find out who answers for " + host(wanted.address()) + ", a proxy perhaps; or bring the files from elsewhere: gmctl parts fetch --from DIR",
		}
	}
	if err := s.write(wanted, content); err != nil {
		return &problem.Error{What: "the cache of parts cannot be written", Cause: err, Next: "make room, or see who owns " + s.Dir}
	}
	return nil
}

func host(address string) string {
	if parsed, err := url.Parse(address); err == nil {
		return parsed.Host
	}
	return address
}

// download returns what stands at the address; what may pass is tried again.
func (s Store) download(ctx context.Context, address string) ([]byte, error) {
	for attempt := 1; ; attempt++ {
		content, err := s.get(ctx, address)
		if err == nil || attempt == attempts || ctx.Err() != nil {
			return content, err
		}
		if status, ok := errors.AsType[statusError](err); ok && !status.passes() {
			return nil, err
		}
		wait := pause << (attempt - 1)
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(wait + rand.N(wait/4)):
		}
	}
}

// statusError is an answer that is no file.
type statusError int

func (e statusError) Error() string {
	return fmt.Sprintf("the server answers %d %s", int(e), http.StatusText(int(e)))
}

// passes reports whether a later attempt may be answered otherwise.
func (e statusError) passes() bool {
	return e == http.StatusTooManyRequests || e == http.StatusRequestTimeout || e >= 500
}

func (s Store) get(ctx context.Context, address string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, perAttempt)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, err
	}
	client := s.Client
	if client == nil {
		client = http.DefaultClient
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, statusError(response.StatusCode)
	}
	content, err := io.ReadAll(io.LimitReader(response.Body, largest+1))
	if err == nil && len(content) > largest {
		err = fmt.Errorf("it is larger than %d MiB", largest>>20)
	}
	return content, err
}
