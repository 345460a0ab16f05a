// Package k8s holds the Kubernetes manifests of the platform: a base per
// component, and overlays that compose and patch them for an environment.
package k8s

import "embed"

// Tree holds base/, overlays/ and parts.lock.yaml, and what explains them.
//
//go:embed README.md base overlays parts.lock.yaml
var Tree embed.FS
