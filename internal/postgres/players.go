package postgres

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/gamemetrics/gmctl/internal/topics"
	"github.com/gamemetrics/gmctl/pkg/event"
	"github.com/gamemetrics/gmctl/services/relay"
)

var (
	//go:embed queries/player_export.sql
	exportPlayer string
	//go:embed queries/player_letters.sql
	exportLetters string
	//go:embed queries/player_holdings.sql
	countHoldings string
	//go:embed queries/erasure_begin.sql
	beginErasure string
	//go:embed queries/erase_events.sql
	eraseEvents string
	//go:embed queries/erase_letters.sql
	eraseLetters string
	//go:embed queries/erasure_complete.sql
	completeErasure string
)

// Players gives out and erases what is stored of a player. The errors of its
// methods are *problem.Error, but for those of a caller's function.
type Players struct{ pool *pgxpool.Pool }

// NewPlayers returns the players over the pool, which is the owner's.
func NewPlayers(pool *pgxpool.Pool) *Players { return &Players{pool} }

// Rejected is an event of a player that was rejected, and is kept.
type Rejected struct {
	Body   []byte // as it came; of a large one the first 512 KiB
	Reason string // the code of the first field that is wrong
	Detail string // all that is wrong, for people
	KeptAt time.Time
}

// Export hands all stored events of the player to each, in the order of their
// timestamps, and then the rejected ones that are kept to rejected, in the order in
// which they came. It is one look at the tables: what is stored meanwhile is not in it.
func (p *Players) Export(ctx context.Context, player string, each func(event.Received) error, rejected func(Rejected) error) error {
	var failed error
	err := pgx.BeginTxFunc(ctx, p.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		// A player of years may take longer than a statement of a service may.
		if _, err := tx.Exec(ctx, "SET LOCAL statement_timeout = 0"); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, exportPlayer, player)
		if err != nil {
			return err
		}
		var r event.Received
		var o optional
		_, err = pgx.ForEachRow(rows, []any{
			&r.EventID, &r.PlayerID, &r.EventType, &r.Timestamp, &o.metadata, &r.ReceivedAt, &o.testRun, &o.game, &o.sent, &o.traffic,
		}, func() error {
			r.Metadata, r.Origin = compact(o.metadata), o.origin()
			r.Timestamp, r.ReceivedAt = r.Timestamp.UTC(), r.ReceivedAt.UTC()
			failed = each(r)
			return failed
		})
		if err != nil {
			return err
		}
		if rows, err = tx.Query(ctx, exportLetters, player, topics.DeadLetter); err != nil {
			return err
		}
		var letter Rejected
		var headers []string
		_, err = pgx.ForEachRow(rows, []any{&letter.Body, &headers, &letter.KeptAt}, func() error {
			letter.Reason, letter.Detail = headerOf(headers, relay.HeaderReason), headerOf(headers, relay.HeaderDetail)
			letter.KeptAt = letter.KeptAt.UTC()
			failed = rejected(letter)
			return failed
		})
		return err
	})
	if failed != nil {
		return failed
	}
	if err != nil {
		return p.explain(err)
	}
	return nil
}

// headerOf returns the value of a header: name, value, name, value …
func headerOf(headers []string, name string) string {
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == name {
			return headers[i+1]
		}
	}
	return ""
}

// Holdings are what is stored of a player.
type Holdings struct {
	Events  int64
	Letters int64 // rejected events
}

// Holdings counts what is stored of the player.
func (p *Players) Holdings(ctx context.Context, player string) (h Holdings, err error) {
	if err := p.pool.QueryRow(ctx, countHoldings, player, topics.DeadLetter).Scan(&h.Events, &h.Letters); err != nil {
		return h, p.explain(err)
	}
	return h, nil
}

// Erasure is the erasure of one player.
type Erasure struct {
	ID          uuid.UUID
	Player      string
	RequestedBy string
	RequestedAt time.Time
	Events      int64 // deleted so far
	Resumed     bool  // it was begun before and not completed
}

// Erased is the value of a record in topics.Erasures. Whoever keeps what they read
// of the platform deletes what they have of the player with a receivedAt that is
// not after ReceivedUntil, also if it comes later.
type Erased struct {
	ErasureID     uuid.UUID `json:"erasureId"`
	PlayerID      string    `json:"playerId"`
	Events        int64     `json:"events"`
	RequestedAt   time.Time `json:"requestedAt"`
	ReceivedUntil time.Time `json:"receivedUntil"`
}

// erasedAtOnce is how many events one transaction of an erasure deletes: it holds
// back the relay, and their locks, for some milliseconds.
const erasedAtOnce = 500

// Begin begins the erasure of the player, or goes on with one that is not completed.
func (p *Players) Begin(ctx context.Context, player, by string) (Erasure, error) {
	e := Erasure{Player: player}
	// Another one may complete between the two halves of the statement.
	for {
		err := p.pool.QueryRow(ctx, beginErasure, player, by).Scan(&e.ID, &e.RequestedBy, &e.RequestedAt, &e.Events, &e.Resumed)
		if errors.Is(err, pgx.ErrNoRows) && ctx.Err() == nil {
			continue
		}
		if err != nil {
			return e, p.explain(err)
		}
		e.RequestedAt = e.RequestedAt.UTC()
		return e, nil
	}
}

// Erase deletes the player's events, in many small transactions, and in a last one
// what is left, the rejected events, and with them completes the erasure and puts
// what tells of it into the outbox. Killed in between, it goes on where it was. It
// returns what was published; progress is told after each transaction.
func (p *Players) Erase(ctx context.Context, e Erasure, progress func(deleted int64)) (Erased, error) {
	for {
		var deleted int64
		if err := p.pool.QueryRow(ctx, eraseEvents, e.Player, erasedAtOnce, e.ID).Scan(&deleted); err != nil {
			return Erased{}, p.explain(err)
		}
		progress(deleted)
		if deleted < erasedAtOnce {
			break
		}
	}
	told := Erased{ErasureID: e.ID, PlayerID: e.Player, RequestedAt: e.RequestedAt}
	err := pgx.BeginFunc(ctx, p.pool, func(tx pgx.Tx) error { return complete(ctx, tx, e, &told) })
	if err != nil {
		return told, p.explain(err)
	}
	return told, nil
}

func complete(ctx context.Context, tx pgx.Tx, e Erasure, told *Erased) error {
	var deleted int64
	if err := tx.QueryRow(ctx, eraseEvents, e.Player, 10*erasedAtOnce, e.ID).Scan(&deleted); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, eraseLetters, e.Player, topics.DeadLetter); err != nil {
		return err
	}
	err := tx.QueryRow(ctx, completeErasure, e.ID).Scan(&told.Events, &told.ReceivedUntil)
	if errors.Is(err, pgx.ErrNoRows) { // another one was quicker, and has told
		return tx.QueryRow(ctx, "SELECT events, completed_at FROM erasures WHERE id = $1", e.ID).Scan(&told.Events, &told.ReceivedUntil)
	}
	if err != nil {
		return err
	}
	told.ReceivedUntil = told.ReceivedUntil.UTC()
	value, err := json.Marshal(told)
	if err != nil {
		return err
	}
	for _, record := range []struct {
		topic string
		value []byte
	}{{topics.EventsRaw, nil}, {topics.Erasures, value}} {
		id := uuid.NewSHA1(e.ID, []byte(record.topic))
		if _, err := tx.Exec(ctx, insertIntoOutbox, id, record.topic, e.Player, record.value, []string{}, nil); err != nil {
			return err
		}
	}
	return nil
}

func (p *Players) explain(err error) error { return Explain(err, p.pool.Config().ConnString()) }
