package render

import (
	"sync"
	"time"
)

// ticking calls a function at intervals until it is stopped.
type ticking struct {
	done    chan struct{} // nil: not started
	stopped chan struct{}
	once    sync.Once
}

func (t *ticking) start(interval time.Duration, tick func()) {
	t.done, t.stopped = make(chan struct{}), make(chan struct{})
	go func() {
		defer close(t.stopped)
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			select {
			case <-t.done:
				return
			case <-ticker.C:
				tick()
			}
		}
	}()
}

// stop returns when tick is not called any more. It may be called again, and
// where nothing was started.
func (t *ticking) stop() {
	t.once.Do(func() {
		if t.done != nil {
			close(t.done)
			<-t.stopped
		}
	})
}
