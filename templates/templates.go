// Package templates holds the files that gmctl writes for a user, as the user
// gets them but for a few marked places.
package templates

import _ "embed"

// Config is the gmctl.yaml of `gmctl init`. ENVIRONMENT stands for the name of
// the environment.
//
//go:embed gmctl.yaml
var Config string
