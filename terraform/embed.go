// Package terraform holds the Terraform configuration of the AWS environments:
// modules, and environments that compose them.
package terraform

import "embed"

// Tree holds modules/ and environments/.
//
//go:embed modules environments
var Tree embed.FS
