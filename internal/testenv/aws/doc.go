// Package aws starts an emulator of the AWS API for tests, on a free loopback
// port, as account 123456789012. What it emulates is the API: nothing runs
// behind it. It needs python3 with venv; ministack comes from PyPI, once per
// user.
//
// A test asks for an account of its own with Run. Terraform's side of the
// testbed is here too: Terraform finds a provider mirror of the machine, so
// that hashicorp/aws is not fetched for each test.
package aws
