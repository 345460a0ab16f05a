// Package manifests renders the Kubernetes manifests of an environment with
// Kustomize, in memory.
//
// The manifests (the folder k8s, or one that a user has made of it) hold all
// that can be known beforehand. What only exists once the infrastructure stands
// (the digest of the image, the addresses of the databases, the CA of Kafka) is
// laid over them as Kustomize patches: no placeholder ever stands in a manifest,
// and an object whose values are not known yet is an error that names them.
package manifests
