//go:build unix

package pipeline

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	platform "github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/postgres"
	"github.com/gamemetrics/gmctl/internal/schemas"
	"github.com/gamemetrics/gmctl/internal/testenv"
	"github.com/gamemetrics/gmctl/internal/testenv/disk"
	"github.com/gamemetrics/gmctl/internal/testenv/kafka"
	"github.com/gamemetrics/gmctl/internal/testenv/network"
	testpostgres "github.com/gamemetrics/gmctl/internal/testenv/postgres"
	"github.com/gamemetrics/gmctl/internal/testenv/process"
	"github.com/gamemetrics/gmctl/internal/topics"
)

const (
	replicas       = 2 // of ingestion and of the relay
	brokers        = 3
	maxConnections = 40 // of PostgreSQL: few enough to be used up
	diskMiB        = 4096
	deadline       = 3 * time.Second  // after which ingestion answers 503
	grace          = 10 * time.Second // within which ingestion ends after SIGTERM
)

// site is everything that runs.
type site struct {
	Options
	dir      string
	ledger   *ledger
	load     *load
	postgres *testpostgres.Server
	disk     *disk.Disk // nil where this machine can make none
	shifted  string     // a gmctl whose clock can be set; empty: there is none
	kafka    *kafka.Cluster
	apis     []*service
	relays   []*service
	dsn      string        // of the database, directly
	pool     *pgxpool.Pool // for the audit
	read     *progress     // by the audits so far
	mostMiB  int
	missing  []string // faults that were asked for, and cannot be had on this machine

	apiLinks, relayLinks []*network.Link // each service's to PostgreSQL
	clientLinks          []*network.Link // the players' to each replica of ingestion
	brokerLinks          []*network.Link // the relays' to each broker
	betweenLinks         []*network.Link // of each broker, for the others that replicate
	quorumLinks          []*network.Link // of each broker, for all as controllers

	stopKeeping context.CancelFunc
	watching    sync.WaitGroup
}

func newSite(ctx context.Context, o Options) (s *site, err error) {
	if o.Gmctl, err = filepath.Abs(o.Gmctl); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "gmctl-chaos-")
	if err != nil {
		return nil, err
	}
	s = &site{Options: o, dir: dir, ledger: newLedger(), read: newProgress(), stopKeeping: func() {}}
	fmt.Fprintln(o.Log, "logs:", dir)
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
			s = nil
		}
	}()
	s.buildShifted(ctx)
	if err := s.startPostgres(ctx); err != nil {
		return s, err
	}
	if err := s.startKafka(ctx); err != nil {
		return s, err
	}
	if err := s.startServices(ctx); err != nil {
		return s, err
	}
	s.load = newLoad(s.ledger, s.apis, o.Senders)
	for _, service := range s.services() {
		if err := await(ctx, service.name+" is ready", time.Minute, func() error { return service.ready(ctx) }); err != nil {
			return s, fmt.Errorf("%w\n%s", err, s.tails())
		}
	}
	return s, nil
}

func (s *site) startPostgres(ctx context.Context) (err error) {
	options := testpostgres.Options{Settings: map[string]string{"max_connections": strconv.Itoa(maxConnections)}}
	if s.disk, err = disk.New(diskMiB); err != nil {
		s.lacks(diskFull, err)
	} else {
		options.Dir = s.disk.Path()
	}
	if s.postgres, err = testpostgres.StartServer(ctx, options); err != nil {
		return err
	}
	if err := s.connect(ctx); err != nil {
		return err
	}
	if err := postgres.Migrate(ctx, s.pool, nil); err != nil {
		return err
	}
	_, err = postgres.NewSchemas(s.pool).Put(ctx, strictType, schemas.Strict, []byte(strictSchema))
	return err
}

// lacks notes a fault that this machine cannot do.
func (s *site) lacks(fault string, why error) {
	if s.wants(fault) {
		fmt.Fprintf(s.Log, "without %s: %v\n", fault, why)
		s.missing = append(s.missing, fault)
	}
}

// connect connects the audit to PostgreSQL.
func (s *site) connect(ctx context.Context) (err error) {
	s.dsn = s.postgres.DSN()
	s.pool, err = postgres.Open(ctx, postgres.Config{DSN: s.dsn, Application: "chaos", MaxConns: 2})
	return err
}

func (s *site) startKafka(ctx context.Context) error {
	addresses, err := freeAddresses(3 * brokers)
	if err != nil {
		return err
	}
	options := kafka.Options{
		Brokers: brokers, Through: addresses[:brokers], Between: addresses[brokers : 2*brokers], Quorum: addresses[2*brokers:],
	}
	options.Wire = func(c *kafka.Cluster) error {
		return errors.Join(
			wire(&s.brokerLinks, options.Through, c.ThroughAddress),
			wire(&s.betweenLinks, options.Between, c.BetweenAddress),
			wire(&s.quorumLinks, options.Quorum, c.QuorumAddress),
		)
	}
	if s.kafka, err = kafka.Start(ctx, options); err != nil {
		return err
	}
	return s.makeTopics(ctx)
}

// wire puts a link before each broker, in place of those that there are.
func wire(links *[]*network.Link, listen []string, to func(broker int) string) error {
	for _, link := range *links {
		link.Close()
	}
	*links = nil
	for i, address := range listen {
		link, err := network.New(address, to(i))
		if err != nil {
			return err
		}
		*links = append(*links, link)
	}
	return nil
}

func (s *site) makeTopics(ctx context.Context) error {
	client, err := platform.NewClient(s.kafka.Config())
	if err != nil {
		return err
	}
	defer client.Close()
	_, err = platform.EnsureTopics(ctx, client, topics.All(), brokers)
	return err
}

func (s *site) startServices(ctx context.Context) error {
	addresses, err := freeAddresses(2 * replicas)
	if err != nil {
		return err
	}
	through := make([]string, brokers)
	for i, link := range s.brokerLinks {
		through[i] = link.Address()
	}
	keeping, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stopKeeping = stop
	for i := range replicas {
		api, link, err := s.service(fmt.Sprintf("api-%d", i), addresses[2*i], "ingestion",
			"--migrate", "--dead-letters", "--deadline", deadline.String(), "--shutdown-grace", grace.String())
		if err != nil {
			return err
		}
		front, err := network.New("127.0.0.1:0", api.address)
		if err != nil {
			return err
		}
		api.front, s.clientLinks = front, append(s.clientLinks, front)
		s.apis, s.apiLinks = append(s.apis, api), append(s.apiLinks, link)
		relay, link, err := s.service(fmt.Sprintf("relay-%d", i), addresses[2*i+1], "relay", "--brokers", strings.Join(through, ","))
		if err != nil {
			return err
		}
		s.relays, s.relayLinks = append(s.relays, relay), append(s.relayLinks, link)
	}
	for _, service := range s.services() {
		go service.keep(keeping)
	}
	for _, service := range s.services() {
		s.watching.Go(func() { s.watch(keeping, service) })
	}
	return nil
}

// service returns a `gmctl serve` that has a link of its own to PostgreSQL.
func (s *site) service(name, address, command string, args ...string) (*service, *network.Link, error) {
	through, err := url.Parse(s.dsn)
	if err != nil {
		return nil, nil, err
	}
	link, err := network.New("127.0.0.1:0", through.Host)
	if err != nil {
		return nil, nil, err
	}
	through.Host = link.Address()
	started := &service{
		name: name, address: address, log: filepath.Join(s.dir, name+".log"), kept: make(chan struct{}),
		fell: func(why string) { s.ledger.violate("%s", why) },
	}
	started.command = func() *exec.Cmd {
		program := s.Gmctl
		if set := started.setClock.Load(); set != nil {
			program = set.Program
		}
		cmd := exec.Command(program, append([]string{"serve", command, "--listen", address}, args...)...)
		cmd.Dir = s.dir
		cmd.Env = append(os.Environ(), "GMCTL_DATABASE_URL="+through.String(), "HOME="+s.dir)
		if set := started.setClock.Load(); set != nil {
			cmd.Env = append(cmd.Env, set.Env())
		}
		return cmd
	}
	return started, link, nil
}

// toStart is how long a process may take until it answers.
const toStart = 20 * time.Second

// watch holds a service to its promise that liveness stays green, whatever happens
// to what it needs.
func (s *site) watch(ctx context.Context, service *service) {
	for sleep(ctx, 300*time.Millisecond) {
		before, age := service.age()
		_, err := service.get(ctx, "/health", 200)
		after, _ := service.age()
		late := errors.Is(err, context.DeadlineExceeded)
		if err != nil && ctx.Err() == nil && before != 0 && before == after && (late || age > toStart) {
			s.ledger.violate("%s lives and does not say so: %v", service.name, err)
		}
	}
}

// freeAddresses returns n addresses that nobody listens on.
func freeAddresses(n int) ([]string, error) {
	var addresses []string
	for range n {
		port, err := testenv.FreePort()
		if err != nil {
			return nil, err
		}
		addresses = append(addresses, net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	}
	return addresses, nil
}

// services are all processes of ours.
func (s *site) services() []*service { return slices.Concat(s.apis, s.relays) }

// tails is the ends of all logs.
func (s *site) tails() string {
	var tails strings.Builder
	for _, service := range s.services() {
		fmt.Fprintf(&tails, "--- %s\n%s\n", service.name, process.FileTail(service.log, 12))
	}
	return tails.String()
}

// close ends and removes everything.
func (s *site) close() error {
	s.stopKeeping()
	for _, service := range s.services() {
		<-service.kept
	}
	s.watching.Wait()
	for _, links := range [][]*network.Link{s.clientLinks, s.apiLinks, s.relayLinks, s.brokerLinks, s.betweenLinks, s.quorumLinks} {
		for _, link := range links {
			link.Close()
		}
	}
	if s.pool != nil {
		s.pool.Close()
	}
	var errs []error
	if s.kafka != nil {
		errs = append(errs, s.kafka.Stop())
	}
	if s.postgres != nil {
		errs = append(errs, s.retire(s.postgres))
	}
	if s.disk != nil {
		errs = append(errs, s.disk.Remove())
	}
	if !s.Keep {
		errs = append(errs, os.RemoveAll(s.dir))
	}
	return errors.Join(errs...)
}
