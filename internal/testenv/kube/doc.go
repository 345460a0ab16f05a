// Package kube starts a real Kubernetes for tests, on free loopback ports: etcd,
// kube-apiserver, kube-scheduler and kube-controller-manager, built once per
// user from their Go modules (tools/controlplane), and kwok (tools/kwok), which
// plays the kubelets: what is scheduled to a node becomes ready, but does not
// run. It is there in a few seconds, with RBAC, admission, garbage collection,
// quotas and all; nodes are whatever a test creates.
//
// kwok plays every pod but those of the platform's own image, which carry both
// labels of OwnImage: whoever runs those plays them. A port-forward to a pod
// reaches what a PortForward object of kwok leads it to.
//
// A test asks for a cluster of its own with Run; the tests of a package share
// one with Shared. Both skip the test where the programs cannot be built.
package kube
