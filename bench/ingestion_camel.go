//go:build unix

package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/gamemetrics/gmctl/bench/peers"
	"github.com/gamemetrics/gmctl/internal/topics"
)

// camel measures events until they are in PostgreSQL and in Kafka: Apache Camel's
// way and ours, beside each other.
func (s *scale) camel(ctx context.Context, g *grounds, print func(figure)) error {
	product, err := peers.FetchCamel(ctx)
	if err != nil {
		missing("camel", err)
		return nil
	}
	single := load{connections: connections, events: 1, during: s.each}
	proxied := single
	proxied.path = "/proxy"
	batches := load{connections: batchers, events: batchOf, during: s.each}
	camel := func(l load) func(*site) (measured, error) {
		return func(site *site) (measured, error) { return site.sendCamel(ctx, product, l) }
	}
	ours := func(l load) func(*site) (measured, error) {
		return func(site *site) (measured, error) { return site.sendThrough(ctx, l) }
	}
	var results []measured
	for _, measure := range []func(*site) (measured, error){camel(single), camel(proxied), ours(single), camel(batches), ours(batches)} {
		err := g.on(ctx, func(site *site) error {
			result, err := measure(site)
			results = append(results, result)
			return err
		})
		if err != nil {
			return err
		}
	}
	rate := func(i int) float64 { return results[i].perSecond() }
	const both, one = "Apache Camel, which inserts, then produces", "Apache Camel, which only produces, as a REST proxy does"
	print(against("single events, stored and in Kafka", "events/s", rate(2), rate(0), both).atLeast(1))
	print(against("single events, stored and in Kafka", "events/s", rate(2), rate(1), one)) // it stores nothing: no bound
	print(against("batches of 100, stored and in Kafka", "events/s", rate(4), rate(3), both).atLeast(1))
	return nil
}

// missing says that a peer cannot be had here.
func missing(peer string, err error) {
	fmt.Fprintf(os.Stderr, "bench: %s is left out, as it cannot be had here: %v\n", peer, err)
}

// camelWarmUp is how long Camel gets the load before it is measured: its code is
// compiled after some half a minute, and several times as fast then.
const camelWarmUp = 40 * time.Second

// sendCamel sends the load to Camel, once for its compiler and once to be measured.
func (s *site) sendCamel(ctx context.Context, product *peers.Camel, l load) (measured, error) {
	if err := s.migrate(ctx); err != nil {
		return measured{}, err
	}
	dir, err := os.MkdirTemp("", "gmctl-bench-camel-")
	if err != nil {
		return measured{}, err
	}
	defer os.RemoveAll(dir)
	database, err := reached(s.dsn)
	if err != nil {
		return measured{}, err
	}
	port, err := freePort()
	if err != nil {
		return measured{}, err
	}
	address := "127.0.0.1:" + strconv.Itoa(port)
	command, err := product.Command(dir, address, database, s.brokers(), topics.EventsRaw)
	if err != nil {
		return measured{}, err
	}
	running, err := s.run(ctx, address, command)
	if err != nil {
		return measured{}, err
	}
	warm := l
	warm.addresses, warm.during = []string{address}, camelWarmUp
	if _, err := warm.run(ctx); err != nil {
		return measured{}, fmt.Errorf("%w\n%s", err, &running.output)
	}
	return s.send(ctx, l, running)
}

// sendThrough sends the load to ingestion while the relay is at work: its time ends
// when all that is stored is in Kafka.
func (s *site) sendThrough(ctx context.Context, l load) (measured, error) {
	api, relay, err := s.both(ctx)
	if err != nil {
		return measured{}, err
	}
	result, err := s.send(ctx, l, api)
	if err != nil {
		return measured{}, err
	}
	answered := time.Now()
	stored, err := scrape(ctx, api.address, storedMetric)
	if err != nil {
		return measured{}, err
	}
	err = until(ctx, relay, stored)
	result.took += time.Since(answered)
	return result, err
}

// reached is the database of a connection string, in parts.
func reached(dsn string) (peers.Database, error) {
	parsed, err := url.Parse(dsn)
	if err != nil {
		return peers.Database{}, err
	}
	port, err := strconv.Atoi(parsed.Port())
	if err != nil {
		return peers.Database{}, err
	}
	password, _ := parsed.User.Password()
	return peers.Database{Host: parsed.Hostname(), Port: port, Name: parsed.Path[1:], User: parsed.User.Username(), Password: password}, nil
}
