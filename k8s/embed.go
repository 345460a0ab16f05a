// Package k8s holds the Kubernetes manifests of the platform: a base per
// component, and overlays that compose and patch them for an environment.
package k8s

import "embed"

// Tree holds base/ and overlays/.
//
//go:embed base overlays
var Tree embed.FS
