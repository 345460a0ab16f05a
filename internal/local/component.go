package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/problem"
)

// The components the supervisor can run.
const (
	Postgres  = "postgres"
	Kafka     = "kafka"
	Ingestion = "ingestion"
	Relay     = "relay"
)

// component is something that the supervisor keeps running.
type component interface {
	// run brings the component up, says so through the announcer, and returns
	// when ctx ends (nil) or when the component cannot go on.
	run(ctx context.Context, say announcer) error
}

// measured is a component that has key figures.
type measured interface {
	figures(ctx context.Context) []engine.Figure
}

// relying is a component that must start again when what it relies on has moved.
type relying interface {
	stale() bool
}

// released is told when its component is no longer wanted.
type released interface {
	release()
}

// announcer is how a component tells what it is doing.
type announcer struct {
	doing func(message string) // while starting
	ready func(facts)          // once it serves
	warn  func(*problem.Error) // works, with something wrong; nil takes it back
}

// facts describe a component that serves.
type facts struct {
	summary    string
	endpoints  []engine.Endpoint
	connection string // how a program connects; may hold a password, so it is never printed
}

// Status is what the supervisor tells of a component.
type Status struct {
	Name       string            `json:"name"`
	State      engine.State      `json:"state"`
	Since      time.Time         `json:"since,omitzero"`
	Message    string            `json:"message,omitempty"` // what it is doing while starting
	Summary    string            `json:"summary,omitempty"`
	Endpoints  []engine.Endpoint `json:"endpoints,omitempty"`
	Figures    []engine.Figure   `json:"figures,omitempty"`
	Connection string            `json:"connection,omitempty"`
	Restarts   int               `json:"restarts"`
	Problem    *ProblemText      `json:"problem,omitempty"`
}

// ProblemText is a problem.Error on the wire.
type ProblemText struct {
	What string       `json:"what"`
	Why  string       `json:"why,omitempty"`
	Next string       `json:"next,omitempty"`
	Kind problem.Kind `json:"kind,omitempty"`
}

func textOf(p *problem.Error) *ProblemText {
	if p == nil {
		return nil
	}
	text := &ProblemText{What: p.What, Next: p.Next, Kind: p.Kind}
	if p.Cause != nil {
		text.Why = p.Cause.Error()
	}
	return text
}

// Error returns the problem as an error again; nil for nil.
func (t *ProblemText) Error() *problem.Error {
	if t == nil {
		return nil
	}
	p := &problem.Error{What: t.What, Next: t.Next, Kind: t.Kind}
	if t.Why != "" {
		p.Cause = errors.New(t.Why)
	}
	return p
}

const (
	firstBackoff = 100 * time.Millisecond
	lastBackoff  = 5 * time.Second
	healthyAfter = 30 * time.Second // a component up this long starts again without delay
)

// runner keeps one component running while it is wanted.
type runner struct {
	name      string
	component component
	log       *slog.Logger

	mu     sync.Mutex
	status Status
	cancel context.CancelFunc // nil: not wanted
	ended  chan struct{}
}

func newRunner(name string, c component, log *slog.Logger) *runner {
	return &runner{name: name, component: c, log: log, status: Status{Name: name, State: engine.StateAbsent}}
}

// start makes the component wanted. It returns at once; ctx bounds the
// component's life.
func (r *runner) start(ctx context.Context) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cancel != nil {
		return
	}
	ctx, r.cancel = context.WithCancel(ctx)
	r.ended = make(chan struct{})
	r.status = Status{Name: r.name, State: engine.StateStarting, Since: time.Now()}
	go func(ended chan struct{}) {
		defer close(ended)
		r.keep(ctx)
		if c, ok := r.component.(released); ok {
			c.release()
		}
	}(r.ended)
}

// stop makes the component unwanted and waits until it has ended, or until ctx
// ends.
func (r *runner) stop(ctx context.Context) error {
	r.mu.Lock()
	cancel, ended := r.cancel, r.ended
	r.mu.Unlock()
	if cancel == nil {
		return nil
	}
	cancel()
	select {
	case <-ended:
	case <-ctx.Done():
		return fmt.Errorf("%s is still stopping: %w", r.name, ctx.Err())
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cancel = nil
	r.status = Status{Name: r.name, State: engine.StateAbsent, Since: time.Now()}
	return nil
}

// keep runs the component again and again until ctx ends.
func (r *runner) keep(ctx context.Context) {
	backoff := firstBackoff
	for {
		began := time.Now()
		err := r.attempt(ctx)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > healthyAfter {
			backoff = firstBackoff
		}
		if err == nil {
			err = errors.New("it ended by itself")
		}
		p, ok := errors.AsType[*problem.Error](err)
		if !ok {
			p = &problem.Error{What: r.name + " stopped", Cause: err, Next: "read why: gmctl logs " + r.name}
		}
		r.log.Error("component stopped", "error", p, "again_in", backoff)
		r.update(func(s *Status) {
			*s = Status{Name: r.name, State: engine.StateDown, Since: time.Now(), Restarts: s.Restarts + 1, Problem: textOf(p)}
		})
		select {
		case <-time.After(backoff):
		case <-ctx.Done():
			return
		}
		backoff = min(2*backoff, lastBackoff)
	}
}

// attempt runs the component once. A panic in it ends the attempt, not the
// supervisor.
func (r *runner) attempt(ctx context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return r.component.run(ctx, announcer{
		doing: func(message string) {
			r.log.Info(message)
			r.update(func(s *Status) {
				if s.State != engine.StateDown {
					s.State = engine.StateStarting
				}
				s.Message = message
			})
		},
		ready: func(f facts) {
			r.log.Info("component ready", "summary", f.summary)
			r.update(func(s *Status) {
				*s = Status{
					Name: r.name, State: engine.StateReady, Since: time.Now(), Restarts: s.Restarts,
					Summary: f.summary, Endpoints: f.endpoints, Connection: f.connection,
				}
			})
		},
		warn: func(p *problem.Error) {
			r.update(func(s *Status) {
				switch {
				case p == nil && s.State == engine.StateDegraded:
					s.State, s.Problem, s.Since = engine.StateReady, nil, time.Now()
				case p != nil && s.State != engine.StateDegraded:
					s.State, s.Since = engine.StateDegraded, time.Now()
					s.Problem = textOf(p)
				case p != nil:
					s.Problem = textOf(p)
				}
			})
		},
	})
}

func (r *runner) update(change func(*Status)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.status)
}

// snapshot returns the component's status, with figures if it has any.
func (r *runner) snapshot(ctx context.Context, figures bool) Status {
	r.mu.Lock()
	status := r.status
	r.mu.Unlock()
	if c, ok := r.component.(relying); ok && c.stale() && (status.State == engine.StateReady || status.State == engine.StateDegraded) {
		status.State, status.Message = engine.StateStarting, "what it relies on has moved to another port"
	}
	if m, ok := r.component.(measured); ok && figures && status.State != engine.StateAbsent {
		status.Figures = m.figures(ctx)
	}
	return status
}
