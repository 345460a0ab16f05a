//go:build unix

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/twmb/franz-go/pkg/kgo"

	platform "github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/postgres"
	"github.com/gamemetrics/gmctl/internal/topics"
	"github.com/gamemetrics/gmctl/pkg/event"
	"github.com/gamemetrics/gmctl/pkg/eventapi"
)

// peer is a service as one would write it without group commit and relay: this
// program runs it as a process of its own.
type peer struct {
	name, listen, dsn, brokers string
}

// The peers.
const (
	insertPeer  = "insert"  // one INSERT a request
	producePeer = "produce" // one INSERT and one acknowledged record a request: the old way
)

func peerFlags() *peer {
	p := &peer{}
	flag.StringVar(&p.name, "peer", "", "run as a peer that is measured: insert or produce")
	flag.StringVar(&p.listen, "listen", "127.0.0.1:0", "where a peer listens")
	flag.StringVar(&p.dsn, "database-url", "", "the peer's database")
	flag.StringVar(&p.brokers, "brokers", "", "the peer's Kafka")
	return p
}

const insertOne = `INSERT INTO events (event_id, player_id, event_type, "timestamp", metadata_json, received_at)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`

// peerConnections is the size of a peer's pool: PostgreSQL shares the sync of
// commits that wait at the same time, so that fewer were slower.
const peerConnections = 32

// serve runs the peer until ctx ends.
func (p *peer) serve(ctx context.Context) error {
	pool, err := postgres.Open(ctx, postgres.Config{DSN: p.dsn, Application: "bench-peer", MaxConns: peerConnections})
	if err != nil {
		return err
	}
	defer pool.Close()
	if err := postgres.Migrate(ctx, pool, nil); err != nil {
		return err
	}
	if err := postgres.EnsurePartitions(ctx, pool, []time.Time{time.Now()}); err != nil {
		return err
	}
	handler := &peerHandler{pool: pool, decoder: event.NewDecoder(event.DefaultRules())}
	if p.name == producePeer {
		handler.kafka, err = platform.NewClient(platform.Config{Brokers: strings.Split(p.brokers, ",")}, kgo.RequiredAcks(kgo.AllISRAcks()))
		if err != nil {
			return err
		}
		defer handler.kafka.Close()
	}
	routes := http.NewServeMux()
	routes.HandleFunc("GET /ready", func(http.ResponseWriter, *http.Request) {})
	routes.Handle("POST "+eventapi.EventsPath, handler)
	listener, err := listen(p.listen)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: routes, ReadHeaderTimeout: time.Minute}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// peerHandler stores one event a request, with the decoder that ours has.
type peerHandler struct {
	pool    *pgxpool.Pool
	decoder *event.Decoder
	kafka   *kgo.Client // nil: nothing is produced
}

func (h *peerHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, eventapi.MaxBody))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	now := time.Now().UTC().Truncate(time.Microsecond)
	e, err := h.decoder.Decode(body, now)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if _, err := h.pool.Exec(r.Context(), insertOne, e.EventID, e.PlayerID, e.EventType, e.Timestamp, e.Metadata, now); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	if h.kafka != nil {
		value, err := event.Received{Event: e, ReceivedAt: now}.AppendJSON(nil)
		if err == nil {
			err = h.kafka.ProduceSync(r.Context(), &kgo.Record{Topic: topics.EventsRaw, Key: []byte(e.PlayerID), Value: value}).FirstErr()
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
	}
	w.Header().Set("Content-Type", eventapi.JSON)
	w.WriteHeader(http.StatusCreated)
	fmt.Fprintf(w, "{%q:%q}\n", "eventId", e.EventID)
}
