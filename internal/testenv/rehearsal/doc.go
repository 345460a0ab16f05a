// Package rehearsal is one pretended AWS account, composed of real parts: the
// emulated AWS API, whose EKS leads to a real Kubernetes control plane that takes
// EKS's tokens; a controller that turns node groups into nodes of their type's
// real size; pods of our own images that really run; PostgreSQL behind the RDS
// endpoint and Apache Kafka behind the services that Strimzi would make; the
// registry. What is played is third-party: their pods say that they are ready.
//
// It needs Linux and root (pods have namespaces of their own), Python, Java,
// Maven and PostgreSQL; what else it needs it builds or fetches once from public
// package registries.
package rehearsal
