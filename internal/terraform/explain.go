package terraform

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/gamemetrics/gmctl/internal/awscloud"
	"github.com/gamemetrics/gmctl/internal/problem"
)

// explain turns the end of a terraform into a problem that says what to do. Of
// several errors the first with a known remedy is told, and the others counted.
func (w *Workspace) explain(ctx context.Context, what string, err error, diagnostics []Diagnostic) *problem.Error {
	if ctx.Err() != nil {
		return &problem.Error{What: "Terraform was interrupted", Cause: context.Cause(ctx), Kind: problem.Cancelled, Next: "run it again: it goes on where it stopped"}
	}
	if lock, ok := lockOf(diagnostics); ok {
		return lockedBy(lock)
	}
	if len(diagnostics) == 0 {
		return meant(&problem.Error{What: what, Cause: errors.New(lastLine(err.Error()))}, err.Error())
	}
	for _, d := range diagnostics {
		if p, known := explainDiagnostic(d); known {
			return counted(p, len(diagnostics)-1)
		}
	}
	p, _ := explainDiagnostic(diagnostics[0])
	return counted(p, len(diagnostics)-1)
}

func counted(p *problem.Error, others int) *problem.Error {
	if others > 0 {
		p.Cause = fmt.Errorf("%w (and %d more errors)", p.Cause, others)
	}
	return p
}

func lockedBy(lock lockInfo) *problem.Error {
	return &problem.Error{
		What:  "the Terraform state is locked",
		Cause: fmt.Errorf("%s works on it since %s (%s)", lock.who, lock.created.Local().Format("2006-01-02 15:04:05"), lock.operation),
		Next:  "wait until that is done; only if it is surely dead delete its lock: aws s3 rm s3://" + strings.TrimSuffix(lock.path, ".tflock") + ".tflock",
		Kind:  problem.Locked,
	}
}

// explainDiagnostic reports whether it knows a remedy, too.
func explainDiagnostic(d Diagnostic) (*problem.Error, bool) {
	p := &problem.Error{What: "Terraform failed", Cause: errors.New(causeOf(d))}
	if d.Address != "" {
		p.What = "Terraform failed at " + d.Address
	}
	p = meant(p, d.Summary+"\n"+d.Detail)
	return p, p.Next != ""
}

// causeOf is the error in the words of AWS, on one line: the provider says
// first what it did, and then again with the numbers of the request.
func causeOf(d Diagnostic) string {
	text := d.Summary
	if d.Detail != "" && !strings.Contains(text, d.Detail) {
		text += ": " + d.Detail
	}
	return strings.Join(strings.Fields(text), " ")
}

// meant completes a problem by what its text means.
func meant(p *problem.Error, text string) *problem.Error {
	for _, known := range []struct{ words, what, next string }{
		{"Cannot delete protected DB Instance", "the database is protected from deletion", "if its data may go: gmctl teardown --unprotect"},
		{"Failed to query available provider packages", "Terraform cannot fetch the AWS provider", "check this machine's network and proxy (HTTPS_PROXY), or set up a mirror: https://developer.hashicorp.com/terraform/cli/config/config-file#provider-installation"},
		{"NoSuchBucket", "the bucket of Terraform's state is gone", "bring it back, or forget the environment's state: gmctl up makes the bucket anew"},
		{"Invalid value for variable", "a value of gmctl.yaml cannot be used", "correct it in gmctl.yaml"},
		{"EntityAlreadyExists", "something of that name is there that Terraform does not know", "if it is left over, delete it in the AWS console; or set another environment name in gmctl.yaml"},
		{"AlreadyExists", "something of that name is there that Terraform does not know", "if it is left over, delete it in the AWS console; or set another environment name in gmctl.yaml"},
		{"BucketNotEmpty", "a bucket still holds objects", "run it again: gmctl teardown empties them"},
		{"DependencyViolation", "something that Terraform does not know still uses it", "find it in the AWS console (network interfaces and load balancers of the VPC are the usual ones), delete it, and run it again"},
	} {
		if strings.Contains(text, known.words) && !strings.Contains(text, "BucketAlreadyExists") {
			return retitled(p, known.what, known.next)
		}
	}
	if meaning, ok := awscloud.MeaningOf(text); ok {
		p.Kind = meaning.Kind
		return retitled(p, meaning.What, meaning.Next)
	}
	return p
}

// retitled keeps the address of the resource that p names.
func retitled(p *problem.Error, what, next string) *problem.Error {
	if _, address, found := strings.Cut(p.What, " failed at "); found {
		what += ", at " + address
	}
	p.What, p.Next = what, next
	return p
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}
