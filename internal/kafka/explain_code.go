package kafka

import (
	"errors"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// codeMeaning is what one of Kafka's error codes means to a user.
type codeMeaning struct {
	codes []*kerr.Error
	what  string // "%s" stands for the brokers
	next  string // "TOPIC" stands for the topic, "User:NAME" for who asked
}

func codeMeanings() []codeMeaning {
	return []codeMeaning{
		{
			[]*kerr.Error{kerr.UnknownTopicOrPartition, kerr.UnknownTopicID},
			"the topic does not exist in Kafka at %s",
			"create what the platform declares: gmctl kafka topics create",
		},
		{
			[]*kerr.Error{kerr.TopicAlreadyExists},
			"the topic exists already in Kafka at %s",
			"see how it is: gmctl kafka topics describe TOPIC",
		},
		{
			[]*kerr.Error{kerr.LeaderNotAvailable, kerr.NotLeaderForPartition, kerr.BrokerNotAvailable, kerr.ReplicaNotAvailable, kerr.OffsetNotAvailable, kerr.FencedLeaderEpoch, kerr.UnknownLeaderEpoch},
			"a partition has no leader in Kafka at %s",
			"bring the broker that holds its replicas back; see which: gmctl kafka topics describe TOPIC",
		},
		{
			[]*kerr.Error{kerr.NotEnoughReplicas, kerr.NotEnoughReplicasAfterAppend},
			"too few replicas are in sync for a durable write to Kafka at %s",
			"bring the missing brokers back; compare ISR with min.insync.replicas: gmctl kafka topics describe TOPIC",
		},
		{
			[]*kerr.Error{kerr.TopicAuthorizationFailed},
			"this user may not use the topic in Kafka at %s",
			"grant the ACL: kafka-acls --add --allow-principal User:NAME --operation Read --operation Write --topic TOPIC",
		},
		{
			[]*kerr.Error{kerr.GroupAuthorizationFailed},
			"this user may not use the consumer group in Kafka at %s",
			"grant the ACL: kafka-acls --add --allow-principal User:NAME --operation Read --operation Describe --group GROUP",
		},
		{
			[]*kerr.Error{kerr.ClusterAuthorizationFailed, kerr.TransactionalIDAuthorizationFailed},
			"this user may not do that in Kafka at %s",
			"grant the ACL on the cluster (Create, Describe, IdempotentWrite) or on the transactional id",
		},
		{
			[]*kerr.Error{kerr.InvalidReplicationFactor},
			"Kafka at %s has too few brokers for that many replicas",
			"ask for fewer: --replication 1, or leave it to the cluster by leaving it out",
		},
		{
			[]*kerr.Error{kerr.InvalidTopicException},
			"the topic's name is not one that Kafka at %s accepts",
			"use letters, digits, dots, underscores and hyphens, at most 249",
		},
		{
			[]*kerr.Error{kerr.InvalidConfig, kerr.InvalidPartitions, kerr.PolicyViolation},
			"Kafka at %s refused the topic's settings",
			"correct what the cause names",
		},
		{
			[]*kerr.Error{kerr.MessageTooLarge, kerr.RecordListTooLarge},
			"a record is larger than Kafka at %s accepts",
			"send smaller records, or raise max.message.bytes of the topic",
		},
		{
			[]*kerr.Error{kerr.InvalidTimestamp},
			"the time of a record is not one that Kafka at %s accepts",
			"compare the clocks of PostgreSQL, of the brokers and of this machine: a record may lie message.timestamp.after.max.ms ahead, an hour by default",
		},
		{
			[]*kerr.Error{kerr.NonEmptyGroup, kerr.UnknownMemberID, kerr.RebalanceInProgress},
			"the consumer group has active members in Kafka at %s",
			"stop its consumers first, then try again",
		},
		{
			[]*kerr.Error{kerr.CoordinatorNotAvailable, kerr.NotCoordinator, kerr.CoordinatorLoadInProgress},
			"the coordinator, of a consumer group or of transactions, is not available in Kafka at %s",
			"wait until the brokers are up; the topics __consumer_offsets, for groups, and __transaction_state, for transactions, need a leader",
		},
		{
			[]*kerr.Error{kerr.KafkaStorageError},
			"a disk of Kafka at %s failed",
			"look at the broker's log and its disk",
		},
		{
			[]*kerr.Error{kerr.RequestTimedOut},
			"Kafka at %s could not finish the request in time",
			"check that all brokers are up: replicas that do not answer hold writes back",
		},
		{
			[]*kerr.Error{kerr.ProducerFenced, kerr.InvalidProducerEpoch},
			"another producer has taken over the transactional id in Kafka at %s",
			"stop this one: only the newest may write",
		},
		{
			[]*kerr.Error{kerr.ConcurrentTransactions, kerr.InvalidTxnState, kerr.TransactionAbortable, kerr.InvalidProducerIDMapping, kerr.UnknownProducerID, kerr.OutOfOrderSequenceNumber},
			"Kafka at %s did not carry out a transaction",
			"if it does not pass by itself look at the broker's log, and whether __transaction_state has a leader",
		},
		{
			[]*kerr.Error{kerr.UnsupportedVersion},
			"Kafka at %s is too old for this",
			"use a broker of version 2.4 or later",
		},
	}
}

func explainCode(err error, cfg Config) *problem.Error {
	for _, meaning := range codeMeanings() {
		for _, code := range meaning.codes {
			if errors.Is(err, code) {
				next := meaning.next
				if cfg.SASL != nil {
					next = strings.ReplaceAll(next, "User:NAME", "User:"+cfg.SASL.Username)
				}
				return &problem.Error{What: strings.Replace(meaning.what, "%s", at(cfg), 1), Next: next}
			}
		}
	}
	return nil
}
