package embedded

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gamemetrics/gmctl/internal/problem"
)

const topic = "t"

func startOn(t *testing.T, dir string) *Broker {
	t.Helper()
	b, err := Start(Options{Dir: dir, ClusterID: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

// killed returns a directory as a kill -9 of the broker at this moment leaves it.
func killed(t *testing.T, dir string) string {
	t.Helper()
	left := filepath.Join(t.TempDir(), "kafka")
	if err := os.CopyFS(left, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return left
}

func client(t *testing.T, b *Broker, options ...kgo.Opt) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(b.Address()), kgo.RecordPartitioner(kgo.ManualPartitioner())}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func producerOn(t *testing.T, b *Broker) *kgo.Client {
	return client(t, b, kgo.TransactionalID("fixed"), kgo.TransactionTimeout(time.Minute))
}

// begin writes value to partitions 0 and 1 in a transaction that stays open.
func begin(t *testing.T, c *kgo.Client, value string) {
	t.Helper()
	if err := c.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	for partition := range int32(2) {
		record := &kgo.Record{Topic: topic, Partition: partition, Value: []byte(value)}
		if err := c.ProduceSync(t.Context(), record).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

func commit(t *testing.T, c *kgo.Client, value string) {
	t.Helper()
	begin(t, c, value)
	if err := c.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
}

// committed returns the values in each partition that a consumer of committed
// records sees, having made sure that no transaction is open.
func committed(t *testing.T, b *Broker) [2][]string {
	t.Helper()
	admin := kadm.NewClient(client(t, b))
	high, err := admin.ListEndOffsets(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	stable, err := admin.ListCommittedOffsets(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	var values [2][]string
	consumer := client(t, b, kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())
	for partition := range int32(2) {
		h, _ := high.Lookup(topic, partition)
		s, _ := stable.Lookup(topic, partition)
		if s.Offset != h.Offset {
			t.Fatalf("partition %d: a transaction is open, at %d of %d", partition, s.Offset, h.Offset)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for at := [2]int64{}; ; {
		for partition := range int32(2) {
			if h, _ := high.Lookup(topic, partition); at[partition] < h.Offset {
				goto more
			}
		}
		return values
	more:
		fetches := consumer.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("%v at %v", err, at)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			at[r.Partition] = r.Offset + 1
			if !r.Attrs.IsControl() {
				values[r.Partition] = append(values[r.Partition], string(r.Value))
			}
		})
	}
}

func expect(t *testing.T, b *Broker, want ...string) {
	t.Helper()
	for partition, got := range committed(t, b) {
		if !slices.Equal(got, want) {
			t.Errorf("partition %d: committed %v, want %v", partition, got, want)
		}
	}
}

func newBroker(t *testing.T) (*Broker, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "kafka")
	b := startOn(t, dir)
	if _, err := kadm.NewClient(client(t, b)).CreateTopic(t.Context(), 2, 1, nil, topic); err != nil {
		t.Fatal(err)
	}
	return b, dir
}

// An open transaction is aborted by the kill, and stays aborted when the same
// producer commits something else and the broker is killed again.
func TestAnOpenTransactionStaysAborted(t *testing.T) {
	b, dir := newBroker(t)
	p := producerOn(t, b)
	commit(t, p, "one")
	begin(t, p, "lost")
	for round, want := range [][]string{{"one"}, {"one", "two0"}, {"one", "two0", "two1"}} {
		dir = killed(t, dir)
		b = startOn(t, dir)
		expect(t, b, want...)
		p = producerOn(t, b)
		commit(t, p, "two"+string(rune('0'+round)))
		begin(t, p, "lost again")
	}
}

// The broker is killed between the first and the second marker of a commit.
func TestAHalfCommitIsFinished(t *testing.T) {
	b, dir := newBroker(t)
	p := producerOn(t, b)
	commit(t, p, "one")
	begin(t, p, "half")
	open := killed(t, dir)
	if err := p.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	done := killed(t, dir)
	for _, file := range []string{noteName, "partitions/t-1/0.dat", "partitions/t-1/0.idx"} {
		content, err := os.ReadFile(filepath.Join(done, file))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(open, file), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	mended := startOn(t, open)
	expect(t, mended, "one", "half")
	commit(t, producerOn(t, mended), "two")
	expect(t, mended, "one", "half", "two")
}

// The note of a commit that is done says nothing of the producer's next transaction.
func TestTheNoteOfAnEarlierCommit(t *testing.T) {
	b, dir := newBroker(t)
	p := producerOn(t, b)
	commit(t, p, "one")
	begin(t, p, "lost")
	expect(t, startOn(t, killed(t, dir)), "one")
}

// A kill leaves a batch without its index entry, or half a batch, or half an
// entry of a state log.
func TestTornWrites(t *testing.T) {
	for name, tear := range map[string]func(t *testing.T, dir string){
		"index entry missing": func(t *testing.T, dir string) { shorten(t, filepath.Join(dir, "partitions/t-0/0.idx"), indexEntrySize) },
		"index entry torn":    func(t *testing.T, dir string) { shorten(t, filepath.Join(dir, "partitions/t-0/0.idx"), 4) },
		"batch torn": func(t *testing.T, dir string) {
			lengthen(t, filepath.Join(dir, "partitions/t-0/0.dat"), make([]byte, 70))
		},
		"producers' log torn": func(t *testing.T, dir string) { lengthen(t, filepath.Join(dir, "pids.log"), []byte{9, 0, 0, 0, 1}) },
	} {
		t.Run(name, func(t *testing.T) {
			b, dir := newBroker(t)
			p := producerOn(t, b)
			commit(t, p, "one")
			begin(t, p, "lost")
			for _, want := range [][]string{{"one"}, {"one", "two"}, {"one", "two", "two"}} {
				dir = killed(t, dir)
				tear(t, dir)
				b = startOn(t, dir)
				expect(t, b, want...)
				p = producerOn(t, b)
				commit(t, p, "two")
				begin(t, p, "lost again")
			}
		})
	}
}

func shorten(t *testing.T, path string, by int64) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, info.Size()-by); err != nil {
		t.Fatal(err)
	}
}

func lengthen(t *testing.T, path string, with []byte) {
	t.Helper()
	if err := appendSynced(path, with); err != nil {
		t.Fatal(err)
	}
}

// After an orderly stop the broker's own record of open transactions counts.
func TestAnOrderlyStop(t *testing.T) {
	b, dir := newBroker(t)
	p := producerOn(t, b)
	commit(t, p, "one")
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	again := startOn(t, dir)
	expect(t, again, "one")
	commit(t, producerOn(t, again), "two")
	expect(t, again, "one", "two")
}

// full has the next segment of the topic's partitions, which a batch at the
// offset begins, lie on a disk that is full, until it is called.
func full(t *testing.T, dir string, offset string, partitions ...string) (free func()) {
	t.Helper()
	var links []string
	for _, partition := range partitions {
		links = append(links, linkToFull(t, filepath.Join(dir, "partitions", topic+"-"+partition, offset+".dat")))
	}
	return func() {
		for _, link := range links {
			if err := os.Remove(link); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// linkToFull makes path a file that cannot be written for lack of space.
func linkToFull(t *testing.T, path string) string {
	t.Helper()
	const device = "/dev/full"
	if _, err := os.Stat(device); err != nil {
		t.Skip("the system has no " + device)
	}
	if err := os.Symlink(device, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// The disk is full when a transaction is to be ended: kfake tells the client that
// it has been, and lets consumers see what was aborted.
func TestADiskThatIsFullAtTheEndOfATransaction(t *testing.T) {
	for name, test := range map[string]struct {
		how        kgo.TransactionEndTry
		partitions []string
		want       []string
	}{
		"a commit, in one partition":  {kgo.TryCommit, []string{"1"}, []string{"lost?", "next"}},
		"a commit, in all partitions": {kgo.TryCommit, []string{"0", "1"}, []string{"lost?", "next"}},
		"an abort, in one partition":  {kgo.TryAbort, []string{"1"}, []string{"next"}},
		"an abort, in all partitions": {kgo.TryAbort, []string{"0", "1"}, []string{"next"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "kafka")
			b := startOn(t, dir)
			everyBatchASegment := map[string]*string{"segment.bytes": new("1")}
			if _, err := kadm.NewClient(client(t, b)).CreateTopic(t.Context(), 2, 1, everyBatchASegment, topic); err != nil {
				t.Fatal(err)
			}
			p := producerOn(t, b)
			begin(t, p, "lost?")
			free := full(t, dir, "1", test.partitions...)
			ended, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			_ = p.EndTransaction(ended, test.how)
			cancel()
			select {
			case <-b.Failed():
			case <-time.After(10 * time.Second):
				t.Fatal("the broker goes on")
			}
			asked, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			if err := client(t, b).Ping(asked); err == nil {
				t.Error("it still answers")
			}
			cancel()
			wantIn(t, b.Err(), "no space left on device", "free some disk space")
			if err := b.Close(); err != nil {
				t.Error(err)
			}
			free()
			b = startOn(t, dir)
			commit(t, producerOn(t, b), "next")
			expect(t, b, test.want...)
		})
	}
}

func TestItDoesNotStartOnAFullDisk(t *testing.T) {
	dir := t.TempDir()
	linkToFull(t, filepath.Join(dir, "room.tmp"))
	_, err := Start(Options{Dir: dir})
	wantIn(t, err, "the embedded Kafka did not start", "free some disk space")
}

func wantIn(t *testing.T, err error, words ...string) {
	t.Helper()
	p := problem.From(err)
	if p == nil {
		t.Fatal("there is no error")
	}
	for _, word := range words {
		if said := p.Error() + "; " + p.Next; !strings.Contains(said, word) {
			t.Errorf("%q does not say %q", said, word)
		}
	}
}
