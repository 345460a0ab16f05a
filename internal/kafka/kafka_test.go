package kafka_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/topics"
)

func fake(t *testing.T, options ...kfake.Opt) (*kfake.Cluster, *kafka.Session) {
	t.Helper()
	cluster, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1)}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	session, err := kafka.Open(kafka.Config{Brokers: cluster.ListenAddrs()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(session.Close)
	return cluster, session
}

func TestNewClientSaysWhatIsWrongWithTheConfiguration(t *testing.T) {
	notPEM := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(notPEM, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	brokers := []string{"127.0.0.1:9092"}
	for _, c := range []struct {
		name, want string
		cfg        kafka.Config
	}{
		{"no broker", "no Kafka broker is named", kafka.Config{}},
		{"a port that is none", "the Kafka client cannot be configured", kafka.Config{Brokers: []string{"host:port"}}},
		{"no CA file", "the CA file cannot be read", kafka.Config{Brokers: brokers, TLS: &kafka.TLS{CAFile: "nowhere"}}},
		{"a CA file without a certificate", "holds no PEM certificate", kafka.Config{Brokers: brokers, TLS: &kafka.TLS{CAFile: notPEM}}},
		{"half a client certificate", "needs both its certificate and its key", kafka.Config{Brokers: brokers, TLS: &kafka.TLS{CertFile: notPEM}}},
		{"no password", "SASL needs a user name and a password", kafka.Config{Brokers: brokers, SASL: &kafka.SASL{Mechanism: kafka.Plain, Username: "u"}}},
		{"another mechanism", `there is no SASL mechanism "GSSAPI"`, kafka.Config{Brokers: brokers, SASL: &kafka.SASL{Mechanism: "GSSAPI", Username: "u", Password: "p"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := kafka.NewClient(c.cfg)
			p := problem.From(err)
			if p == nil || p.Kind != problem.Usage || !strings.Contains(p.Error(), c.want) || p.Next == "" {
				t.Errorf("got %+v, want %q", p, c.want)
			}
		})
	}
}

// A client may reach brokers whose names mean nothing where it is.
func TestDialGoesWhereTheNameMeansSomething(t *testing.T) {
	cluster, _ := fake(t)
	var dialled []string
	session, err := kafka.Open(kafka.Config{
		Brokers: []string{"kafka-0.elsewhere.test:9092"},
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			dialled = append(dialled, address)
			return new(net.Dialer).DialContext(ctx, network, cluster.ListenAddrs()[0])
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	if err := session.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(dialled, "kafka-0.elsewhere.test:9092") {
		t.Errorf("dialled %v", dialled)
	}
}

func TestExplain(t *testing.T) {
	cfg := kafka.Config{Brokers: []string{"k:9092"}}
	login := cfg
	login.SASL = &kafka.SASL{Mechanism: kafka.ScramSHA512, Username: "gamer"}
	address := &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 9092}
	for _, c := range []struct {
		err        error
		cfg        kafka.Config
		what, next string
	}{
		{&net.OpError{Op: "dial", Addr: address, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}, cfg, "nothing listens at the Kafka broker 10.0.0.1:9092", "start the broker"},
		{&net.OpError{Op: "dial", Addr: address, Err: os.NewSyscallError("connect", syscall.EHOSTUNREACH)}, cfg, "no route to the Kafka broker 10.0.0.1:9092", "VPN"},
		{&net.OpError{Op: "dial", Addr: address, Err: os.ErrDeadlineExceeded}, cfg, "did not accept a connection within 3s", "firewall"},
		{&net.DNSError{Name: "k", IsNotFound: true}, cfg, "host name k cannot be resolved", "advertised.listeners"},
		{kerr.SaslAuthenticationFailed, login, "refused the login of gamer", "--sasl-username"},
		{kerr.UnsupportedSaslMechanism, login, "does not offer the SASL mechanism SCRAM-SHA-512", "--sasl-mechanism"},
		{kerr.TopicAuthorizationFailed, login, "may not use the topic", "User:gamer"},
		{kerr.UnknownTopicOrPartition, cfg, "the topic does not exist", "gmctl kafka topics create"},
		{kerr.LeaderNotAvailable, cfg, "has no leader", "describe TOPIC"},
		{kerr.NotEnoughReplicas, cfg, "too few replicas", "min.insync.replicas"},
		{fmt.Errorf("%w, last err: %w", kgo.ErrRecordTimeout, kerr.NotEnoughReplicas), cfg, "too few replicas", "min.insync.replicas"},
		{kerr.NotCoordinator, cfg, "of a consumer group or of transactions", "__transaction_state"},
		{kerr.InvalidTxnState, cfg, "did not carry out a transaction", "the broker's log"},
		{&kgo.ErrFirstReadEOF{}, cfg, "closed the connection", "look whether the broker is up"},
		{context.DeadlineExceeded, cfg, "did not answer in time", "health and load"},
		{errors.New("first bytes appear to be a tls alert record"), cfg, "speaks TLS", "--tls"},
		{errors.New("the beginning of an HTTP response"), cfg, "speaks HTTP", "9092"},
		{errors.New("something new"), cfg, "gave an error", "the broker's log"},
	} {
		t.Run(c.what, func(t *testing.T) {
			got := kafka.Explain(fmt.Errorf("wrapped: %w", c.err), c.cfg)
			if !strings.Contains(got.What, c.what) || !strings.Contains(got.Next, c.next) || !errors.Is(got, c.err) {
				t.Errorf("%+v", got)
			}
		})
	}
	if kafka.Explain(nil, cfg) != nil {
		t.Error("no error was explained")
	}
	known := &problem.Error{What: "known"}
	if got := kafka.Explain(fmt.Errorf("wrapped: %w", known), cfg); got != known {
		t.Errorf("a problem became %+v", got)
	}
	if got := kafka.Explain(context.Canceled, cfg); got.Kind != problem.Cancelled {
		t.Errorf("an interrupt became %+v", got)
	}
	if got := kafka.ExplainTopic(kerr.NotEnoughReplicas, cfg, "scores"); !strings.Contains(got.Next, "describe scores") {
		t.Errorf("the remedy does not name the topic: %q", got.Next)
	}
}

func TestEnsureTopicsCreatesWhatIsMissingAndNothingElse(t *testing.T) {
	_, session := fake(t)
	ctx, declared := t.Context(), topics.All()
	created, err := kafka.EnsureTopics(ctx, session.Client, declared[:2], kafka.BrokerDefaultReplication)
	if err != nil || len(created) != 2 {
		t.Fatal(created, err)
	}
	missing, err := kafka.MissingTopics(ctx, session.Client, declared)
	if err != nil || !cmp.Equal(missing, declared[2:]) {
		t.Fatal(missing, err)
	}
	created, err = kafka.EnsureTopics(ctx, session.Client, declared, kafka.BrokerDefaultReplication)
	if err != nil || len(created) != len(declared)-2 {
		t.Fatal(created, err)
	}
	if created, err = kafka.EnsureTopics(ctx, session.Client, declared, kafka.BrokerDefaultReplication); err != nil || created != nil {
		t.Fatal(created, err)
	}
	cluster, err := kafka.Describe(ctx, session.Client)
	if err != nil {
		t.Fatal(err)
	}
	for _, topic := range declared {
		if actual := cluster.Topics[topic.Name]; len(actual.Partitions) != int(topic.Partitions) || !actual.Led() {
			t.Errorf("%s: %+v", topic.Name, actual)
		}
	}
	if drift, err := kafka.Drift(ctx, session.Client, declared); err != nil || drift != nil {
		t.Errorf("right after creation: %+v, %v", drift, err)
	}
}

func TestEnsureTopicsWhenAnotherIsQuicker(t *testing.T) {
	cluster, session := fake(t)
	declared := topics.Public()
	cluster.ControlKey(int16(kmsg.CreateTopics), func(kmsg.Request) (kmsg.Response, error, bool) {
		// the other one's request comes between our look and our request
		cluster.DropControl()
		go func() { _ = cluster.CreateTopic(declared[0].Name, declared[0].Partitions, nil) }()
		time.Sleep(50 * time.Millisecond)
		return nil, nil, false
	})
	if _, err := kafka.EnsureTopics(t.Context(), session.Client, declared, kafka.BrokerDefaultReplication); err != nil {
		t.Fatal(err)
	}
	if missing, err := kafka.MissingTopics(t.Context(), session.Client, declared); err != nil || missing != nil {
		t.Errorf("%v, %v", missing, err)
	}
}

func TestDriftTellsEveryDifference(t *testing.T) {
	cluster, session := fake(t)
	if err := cluster.CreateTopic(topics.Notifications, 5, map[string]string{"retention.ms": "1000", "cleanup.policy": "compact"}); err != nil {
		t.Fatal(err)
	}
	if err := cluster.CreateTopic(topics.RelayCursor, 1, map[string]string{"cleanup.policy": "compact"}); err != nil { // as of before it was Brief
		t.Fatal(err)
	}
	drift, err := kafka.Drift(t.Context(), session.Client, topics.All())
	if err != nil {
		t.Fatal(err)
	}
	want := []kafka.Difference{
		{Topic: topics.Notifications, Setting: "partitions", Wanted: "3", Actual: "5"},
		{Topic: topics.Notifications, Setting: "cleanup.policy", Wanted: "delete", Actual: "compact"},
		{Topic: topics.Notifications, Setting: "retention.ms", Wanted: "259200000", Actual: "1000"},
		{Topic: topics.RelayCursor, Setting: "segment.bytes", Wanted: "16777216", Actual: "104857600"},
		{Topic: topics.RelayCursor, Setting: "delete.retention.ms", Wanted: "600000", Actual: "86400000"},
	}
	if diff := cmp.Diff(want, drift); diff != "" {
		t.Error(diff)
	}
}

func TestTopicConfigsOfThreeReplicasOutlastOne(t *testing.T) {
	for replication, want := range map[int16]string{kafka.BrokerDefaultReplication: "", 1: "", 3: "2", 5: "4"} {
		if got := kafka.TopicConfigs(topics.All()[0], replication)["min.insync.replicas"]; got != want {
			t.Errorf("%d replicas: min.insync.replicas %q, want %q", replication, got, want)
		}
	}
}

// kadm keeps the list of brokers; a health check must see who joined.
func TestBrokersAreAskedForEachTime(t *testing.T) {
	cluster, session := fake(t)
	count := func() int {
		t.Helper()
		seen, err := kafka.Brokers(t.Context(), session.Client)
		if err != nil {
			t.Fatal(err)
		}
		return len(seen.Brokers)
	}
	before := count()
	if _, _, err := cluster.AddNode(-1, 0); err != nil {
		t.Fatal(err)
	}
	if after := count(); before != 1 || after != 2 {
		t.Errorf("%d brokers, then %d", before, after)
	}
}

func TestListOffsetsOutlastsALeaderChange(t *testing.T) {
	cluster, session := fake(t, kfake.SeedTopics(2, "scores"))
	cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Err: kerr.OffsetNotAvailable, Count: 3})
	ends, err := kafka.EndOffsets(t.Context(), session.Client, map[string][]int32{"scores": {0, 1}}, kafka.ReadCommitted)
	if err != nil || !cmp.Equal(ends, map[string]map[int32]int64{"scores": {0: 0, 1: 0}}) {
		t.Errorf("%v, %v", ends, err)
	}
}

func TestDeleteTopicsNamesThoseThatStay(t *testing.T) {
	_, session := fake(t, kfake.SeedTopics(1, "a", "b"))
	deleted, err := kafka.DeleteTopics(t.Context(), session.Client, []string{"a", "nothing", "b"})
	if !slices.Equal(deleted, []string{"a", "b"}) || err == nil || !strings.Contains(err.Error(), "topic nothing") {
		t.Errorf("%v, %v", deleted, err)
	}
	left, err := kadm.NewClient(session.Client).ListTopics(t.Context())
	if err != nil || len(left) != 0 {
		t.Errorf("%v, %v", left, err)
	}
}

func TestRecordComesBackFromItsJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := rapid.OneOf(
			rapid.Just([]byte(nil)), rapid.SliceOf(rapid.Byte()),
			rapid.Map(rapid.String(), func(s string) []byte { return []byte(s) }),
			rapid.SampledFrom([][]byte{[]byte(`{"a":"<&>"}`), []byte(`[1,"x"]`), []byte(`"text"`), []byte("null"), []byte("12"), []byte("{")}),
		)
		record := kafka.Record{
			Topic: "t", Partition: rapid.Int32Min(0).Draw(t, "partition"), Offset: rapid.Int64Min(0).Draw(t, "offset"),
			Timestamp: time.UnixMilli(rapid.Int64Range(0, 1<<41).Draw(t, "timestamp")).UTC(),
			Key:       data.Draw(t, "key"), Value: data.Draw(t, "value"),
		}
		for range rapid.IntRange(0, 3).Draw(t, "headers") {
			record.Headers = append(record.Headers, kafka.Header{Key: rapid.String().Draw(t, "name"), Value: data.Draw(t, "header")})
		}
		encoded, err := record.Line()
		if err != nil {
			t.Fatal(err)
		}
		var back kafka.Record
		if err := json.Unmarshal(encoded, &back); err != nil {
			t.Fatalf("%s: %v", encoded, err)
		}
		// null and empty are different to Kafka, and must stay so
		if diff := cmp.Diff(record, back, cmp.Comparer(sameBytes)); diff != "" {
			t.Fatalf("%s: %s", encoded, diff)
		}
	})
}

func sameBytes(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) }

func TestPrintableIsOneSafeLine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := kafka.Printable(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"))
		if strings.ContainsFunc(text, func(r rune) bool { return r < 0x20 || r == 0x7f || (r >= 0x80 && r < 0xa0) }) {
			t.Fatalf("%q", text)
		}
	})
}
