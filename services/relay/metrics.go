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

// laneMetrics tell of the lanes of a Group when they are asked for.
type laneMetrics struct {
	group                    *Group
	states, active, progress *prometheus.Desc
}

func newLaneMetrics(g *Group) laneMetrics {
	desc := func(name, help, label string) *prometheus.Desc {
		return prometheus.NewDesc("gmctl_relay_"+name, help, []string{label}, nil)
	}
	return laneMetrics{
		group:    g,
		states:   desc("lanes", "Lanes that this process works, or stands by for, by what they do.", "state"),
		active:   desc("lane_active", "1 while this process publishes the lane's events.", "lane"),
		progress: desc("lane_events_published_total", "Events of the lane that this process has committed to Kafka.", "lane"),
	}
}

// Describe implements prometheus.Collector.
func (m laneMetrics) Describe(to chan<- *prometheus.Desc) {
	to <- m.states
	to <- m.active
	to <- m.progress
}

// Collect implements prometheus.Collector.
func (m laneMetrics) Collect(to chan<- prometheus.Metric) {
	count := make(map[State]int)
	for _, l := range m.group.Lanes() {
		active := 0.0
		if l.State == Running {
			active = 1
		}
		count[l.State]++
		to <- prometheus.MustNewConstMetric(m.active, prometheus.GaugeValue, active, l.Lane)
		to <- prometheus.MustNewConstMetric(m.progress, prometheus.CounterValue, float64(l.Published), l.Lane)
	}
	for _, state := range []State{Starting, Waiting, Standby, Running, Failing} {
		to <- prometheus.MustNewConstMetric(m.states, prometheus.GaugeValue, float64(count[state]), string(state))
	}
}
