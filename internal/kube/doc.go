// Package kube is the only package that talks to Kubernetes. It applies sets of
// objects, compares them, waits for them with the causes of what stalls, tells
// their health, and deletes them with proof; it opens connections to pods
// through the API server, and drains nodes.
//
// A set is a named group of objects that are applied and deleted as one. Its
// objects carry the label gmctl.gamemetrics.io/set, and an inventory (a
// ConfigMap in kube-system) lists them, so that what a set no longer wants is
// found again. Nothing without that label is ever deleted.
//
// An API server that is busy, restarts or resets connections is asked again for
// a bounded time. Errors are *problem.Error and never quote a secret's values.
package kube
