package relay

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	published, deadLettered, transactions, failures prometheus.Counter
	seconds                                         prometheus.Histogram
}

func newMetrics(registry prometheus.Registerer, active func() bool) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "gmctl", Subsystem: "relay", Name: name, Help: help})
	}
	m := &metrics{
		published:    counter("events_published_total", "Events committed to Kafka."),
		deadLettered: counter("events_dead_lettered_total", "Events committed to the dead-letter topic instead."),
		transactions: counter("transactions_total", "Committed Kafka transactions."),
		failures:     counter("failures_total", "Sessions that ended with an error and were begun again."),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "gmctl", Subsystem: "relay", Name: "transaction_seconds",
			Help:    "Time from the first record of a transaction to its commit.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 14),
		}),
	}
	if registry != nil {
		registry.MustRegister(m.published, m.deadLettered, m.transactions, m.failures, m.seconds, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: "gmctl", Subsystem: "relay", Name: "active",
			Help: "1 while this relay publishes, 0 while it stands by or cannot.",
		}, func() float64 {
			if active() {
				return 1
			}
			return 0
		}))
	}
	return m
}
