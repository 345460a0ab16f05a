// Package terraform runs Terraform over the configuration that the binary
// carries. It is the only package that does.
//
// Reading (plan, outputs) goes through terraform-exec. An apply does not: it
// must outlive a gmctl that is killed, because a Terraform that is killed leaves
// resources that its state does not know. It writes its messages to a file that
// gmctl follows; the next gmctl finds it at work, follows it to its end, and
// goes on from there.
package terraform
