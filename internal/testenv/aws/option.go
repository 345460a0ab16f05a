//go:build unix

package aws

import (
	"encoding/base64"
	"strconv"
	"time"
)

// Option changes what stands behind an account's APIs.
type Option func(*Account)

// EKS puts a real Kubernetes behind every EKS cluster: its endpoint, and the PEM
// of the CA that signed its certificate.
func EKS(endpoint string, ca []byte) Option {
	return Env("EMULATOR_EKS_ENDPOINT="+endpoint, "EMULATOR_EKS_CA="+base64.StdEncoding.EncodeToString(ca))
}

// ExternalNodes leaves the nodes of EKS node groups to a controller: nothing
// about a group is done until that one says so.
func ExternalNodes() Option { return Env("EMULATOR_EKS_EXTERNAL_NODES=1") }

// EKSTakes sets how long EKS takes to create or update something.
func EKSTakes(d time.Duration) Option {
	return Env("EMULATOR_EKS_SECONDS=" + strconv.FormatFloat(d.Seconds(), 'f', -1, 64))
}

// Env sets environment variables of the emulator, as name=value.
func Env(entries ...string) Option {
	return func(a *Account) { a.env = append(a.env, entries...) }
}
