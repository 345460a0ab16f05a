package postgres

import (
	"bytes"
	"context"
	"crypto/sha256"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/gamemetrics/gmctl/internal/topics"
	"github.com/gamemetrics/gmctl/services/ingestion"
	"github.com/gamemetrics/gmctl/services/relay"
)

// Letters keeps rejected events in the outbox, from where they go to the
// dead-letter topic.
type Letters struct {
	pool *pgxpool.Pool
	wake func()
}

var _ ingestion.Letters = (*Letters)(nil)

// NewLetters returns letters over the pool, whose schema Migrate has made. wake,
// which may be nil, is called when some were kept.
func NewLetters(pool *pgxpool.Pool, wake func()) *Letters {
	if wake == nil {
		wake = func() {}
	}
	return &Letters{pool, wake}
}

// Keep stores the letters in one transaction. The same bytes with the same reason
// are one letter, however often a client sends them.
func (l *Letters) Keep(ctx context.Context, letters []ingestion.Letter) error {
	err := pgx.BeginFunc(ctx, l.pool, func(tx pgx.Tx) error { return keep(ctx, tx, letters) })
	if err != nil {
		return Explain(err, l.pool.Config().ConnString())
	}
	l.wake()
	return nil
}

// keep numbers the letters in their order, and inserts them in that of their ids: of two
// transactions with the same letters one waits for the other, whatever order they came in.
func keep(ctx context.Context, tx pgx.Tx, letters []ingestion.Letter) error {
	rows, err := tx.Query(ctx, "SELECT nextval('outbox_seq') FROM generate_series(1, $1)", len(letters))
	if err != nil {
		return err
	}
	seqs, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return err
	}
	slices.Sort(seqs)
	type numbered struct {
		id     uuid.UUID
		seq    int64
		letter *ingestion.Letter
	}
	ordered := make([]numbered, len(letters))
	for i := range letters {
		ordered[i] = numbered{letterID(&letters[i]), seqs[i], &letters[i]}
	}
	slices.SortStableFunc(ordered, func(a, b numbered) int { return bytes.Compare(a.id[:], b.id[:]) })
	batch := &pgx.Batch{}
	for _, n := range ordered {
		batch.Queue(insertIntoOutbox, n.id, topics.DeadLetter, storable(n.letter.Player), n.letter.Body, headersOf(n.letter), n.seq)
	}
	return tx.SendBatch(ctx, batch).Close()
}

func letterID(letter *ingestion.Letter) uuid.UUID {
	hash := sha256.New()
	for _, part := range []string{letter.Game, letter.TestRun, letter.Reason} {
		_, _ = hash.Write([]byte(part + "\x00")) // a hash takes everything
	}
	_, _ = hash.Write(letter.Body)
	id := uuid.UUID(hash.Sum(nil)[:16])
	id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80 // version 8: made in a way of one's own
	return id
}

func headersOf(letter *ingestion.Letter) []string {
	var headers []string
	for _, header := range [][2]string{
		{relay.HeaderReason, letter.Reason},
		{relay.HeaderDetail, letter.Detail},
		{relay.HeaderSource, "ingestion"},
		{relay.HeaderTopic, topics.EventsRaw},
		{relay.HeaderEventID, letter.EventID},
		{relay.HeaderGame, letter.Game},
		{topics.TestHeader, letter.TestRun},
	} {
		if header[1] != "" {
			headers = append(headers, header[0], storable(header[1]))
		}
	}
	return headers
}

// storable is text as PostgreSQL takes it.
func storable(text string) string {
	if utf8.ValidString(text) && strings.IndexByte(text, 0) < 0 {
		return text
	}
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
}
