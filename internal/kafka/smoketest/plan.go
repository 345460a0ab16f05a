package smoketest

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/topics"
)

// indexHeader numbers a test's records within their topic.
const indexHeader = "gmctl-test-index"

// keysPerPartition is how many keys each partition gets, so that the order of
// one key is seen between the records of another.
const keysPerPartition = 2

// content is the value of a test record. Seq counts from 0 per key.
type content struct {
	Test  string `json:"gmctlTest"`
	Topic string `json:"topic"`
	Key   string `json:"key"`
	Seq   int    `json:"seq"`
}

// makeRecords returns at least count records for the topic: keys that no other
// run uses, spread by Kafka's own hash until every partition has its share,
// and the same number of records per key. With a key's records in order, they
// are interleaved with those of the other keys.
func makeRecords(run string, topic kafka.Topic, count int) (records []*kgo.Record, keys int, err error) {
	keysOf := spreadKeys(run, topic)
	perKey := max(1, (count+len(keysOf)-1)/len(keysOf))
	if perKey == 1 && count > 1 {
		perKey = 2 // one record alone has no order
	}
	for seq := range perKey {
		for _, key := range keysOf {
			value, err := json.Marshal(content{Test: run, Topic: topic.Name, Key: key, Seq: seq})
			if err != nil {
				return nil, 0, fmt.Errorf("make a test record: %w", err)
			}
			records = append(records, &kgo.Record{
				Topic: topic.Name, Key: []byte(key), Value: value, Timestamp: time.Now(),
				Headers: []kgo.RecordHeader{
					{Key: topics.TestHeader, Value: []byte(run)},
					{Key: indexHeader, Value: []byte(strconv.Itoa(len(records)))},
				},
			})
		}
	}
	return records, len(keysOf), nil
}

// spreadKeys returns keysPerPartition keys for every partition.
func spreadKeys(run string, topic kafka.Topic) []string {
	partitions := len(topic.Partitions)
	hash := kgo.StickyKeyPartitioner(nil).ForTopic(topic.Name)
	have := make([]int, partitions)
	var keys []string
	for i := 0; len(keys) < partitions*keysPerPartition; i++ {
		key := fmt.Sprintf("%s-%d", run, i)
		p := hash.Partition(&kgo.Record{Key: []byte(key)}, partitions)
		if have[p] < keysPerPartition {
			have[p]++
			keys = append(keys, key)
		}
	}
	return keys
}
