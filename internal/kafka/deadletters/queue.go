package deadletters

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/topics"
)

// Queue is the dead letters of a Kafka cluster, as one command works on them.
type Queue struct {
	session *kafka.Session
	topic   string // id of the topic: one that was made again has other letters in the same places
	by, run string
	now     func() time.Time
}

// Connect connects; by is who works on the letters. The caller closes it.
func Connect(ctx context.Context, cfg kafka.Config, by string, now func() time.Time) (*Queue, error) {
	session, err := kafka.Open(cfg, kgo.AllowIdempotentProduceCancellation()) // a state that is given up on may be written all the same
	if err != nil {
		return nil, err
	}
	q := &Queue{session: session, by: by, run: uuid.NewString(), now: now}
	if err := q.identify(ctx); err != nil {
		session.Close()
		return nil, session.Explain(err)
	}
	return q, nil
}

func (q *Queue) identify(ctx context.Context) error {
	found, err := kadm.NewClient(q.session.Client).ListTopics(ctx, topics.DeadLetter, topics.DeadLetterState)
	if err != nil {
		return err
	}
	for _, name := range []string{topics.DeadLetter, topics.DeadLetterState} {
		if !found.Has(name) || found[name].Err != nil {
			return &problem.Error{What: "Kafka lacks the topic " + name, Cause: found[name].Err, Next: "make the platform's topics: gmctl up, or gmctl kafka topics create"}
		}
	}
	q.topic = found[topics.DeadLetter].ID.String()
	return nil
}

// Close ends the connections.
func (q *Queue) Close() { q.session.Close() }

// List returns the letters that the filter chooses, the oldest first.
func (q *Queue) List(ctx context.Context, filter Filter) ([]Letter, error) {
	states, err := q.states(ctx)
	if err != nil {
		return nil, q.session.Explain(err)
	}
	var letters []Letter
	err = q.read(ctx, topics.DeadLetter, filter.parts(), func(r *kgo.Record) {
		l := letterOf(r)
		if state, ok := states[l.ID]; ok {
			l.State = state
		}
		if filter.Match(&l) {
			letters = append(letters, l)
		}
	})
	if err != nil {
		return nil, q.session.Explain(err)
	}
	slices.SortStableFunc(letters, func(a, b Letter) int { return a.Time.Compare(b.Time) })
	return letters, nil
}

// states are what became of the letters, by their ids.
func (q *Queue) states(ctx context.Context) (map[string]State, error) {
	states := map[string]State{}
	err := q.read(ctx, topics.DeadLetterState, nil, func(r *kgo.Record) {
		var next State
		if id := q.letterIn(r.Key); id != "" && json.Unmarshal(r.Value, &next) == nil && next.Status != "" {
			states[id] = states[id].after(next)
		}
	})
	return states, err
}

// newKey is the key of one record about a letter. Compaction keeps the last record
// of a key only, and who was first must stay to be seen: each has its own.
func (q *Queue) newKey(id string) string { return q.topic + "/" + id + "/" + uuid.NewString() }

// letterIn is the id of the letter that a key names, empty if it is of another
// topic. Keys that were made before each record had its own end after the id.
func (q *Queue) letterIn(key []byte) string {
	place, ours := strings.CutPrefix(string(key), q.topic+"/")
	if parts := strings.Split(place, "/"); ours && len(parts) > 1 {
		return parts[0] + "/" + parts[1]
	}
	return ""
}

// Take claims the letters to replay them. It returns those that are now with this
// queue; the others someone else has, or has settled. With an error none is.
func (q *Queue) Take(ctx context.Context, letters []Letter) (taken []Letter, err error) {
	taken, err = q.bring(ctx, letters, Replaying)
	if err != nil {
		q.Leave(ctx, letters)
	}
	return taken, err
}

// Leave gives letters back that this queue has taken, also if ctx has ended. What
// cannot be given back is open again by itself after a while.
func (q *Queue) Leave(ctx context.Context, letters []Letter) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaving)
	defer cancel()
	_ = q.write(ctx, letters, Open)
}

// leaving is how long giving letters back may take: nobody waits for it.
const leaving = 5 * time.Second

// Discard says that nothing more is done about the letters. It returns those of
// which that holds now.
func (q *Queue) Discard(ctx context.Context, letters []Letter) (discarded []Letter, err error) {
	return q.bring(ctx, letters, Discarded)
}

// bring writes that this queue brings the letters into a status, and returns those
// that it brought there.
func (q *Queue) bring(ctx context.Context, letters []Letter, status Status) (mine []Letter, err error) {
	if err := q.write(ctx, letters, status); err != nil {
		return nil, err
	}
	states, err := q.states(ctx)
	if err != nil {
		return nil, q.session.Explain(err)
	}
	for _, l := range letters {
		if l.State = states[l.ID]; l.Run == q.run && l.Status == status {
			mine = append(mine, l)
		}
	}
	return mine, nil
}

// Settle says what became of a letter that this queue has taken: Replayed, or Open
// where it could not be.
func (q *Queue) Settle(ctx context.Context, l Letter, status Status) error {
	return q.write(ctx, []Letter{l}, status)
}

// write writes the status behind the states of those letters that allow it.
func (q *Queue) write(ctx context.Context, letters []Letter, status Status) error {
	next := State{Status: status, By: q.by, Run: q.run, At: q.now().UTC()}
	value, err := json.Marshal(next)
	if err != nil {
		return err
	}
	var records []*kgo.Record
	for _, l := range letters {
		if l.State.allows(next) {
			records = append(records, &kgo.Record{Topic: topics.DeadLetterState, Key: []byte(q.newKey(l.ID)), Value: value})
		}
	}
	for some := range slices.Chunk(records, 1000) {
		if err := q.produce(ctx, some); err != nil {
			return err
		}
	}
	return nil
}

func (q *Queue) produce(ctx context.Context, records []*kgo.Record) error {
	waiting, cancel := context.WithTimeout(ctx, stalled)
	defer cancel()
	err := q.session.ProduceSync(waiting, records...).FirstErr()
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return &problem.Error{
			What: fmt.Sprintf("Kafka took no note of the letters within %s", stalled), Cause: err,
			Next: "bring its brokers back, and run it again: an event is stored once",
		}
	}
	return q.session.Explain(err)
}
