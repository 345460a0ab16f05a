// Package kafka starts a real Apache Kafka for tests and benchmarks: one or
// three combined KRaft brokers on free loopback ports, from the jars of Maven
// Central. It needs java and mvn on PATH; the jars are fetched once per user.
//
// A test asks for a cluster of its own with Run; the tests of a package share
// one with Shared. Both skip the test where the machine lacks Java or Maven.
package kafka
