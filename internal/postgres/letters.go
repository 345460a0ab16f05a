package postgres

import (
	"context"
	"crypto/sha256"
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
	err := pgx.BeginFunc(ctx, l.pool, func(tx pgx.Tx) error {
		batch := &pgx.Batch{}
		for i := range letters {
			letter := &letters[i]
			batch.Queue(insertIntoOutbox, letterID(letter), topics.DeadLetter, storable(letter.Player), letter.Body, headersOf(letter))
		}
		return tx.SendBatch(ctx, batch).Close()
	})
	if err != nil {
		return Explain(err, l.pool.Config().ConnString())
	}
	l.wake()
	return nil
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
