//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/gamemetrics/gmctl/internal/testenv/rehearsal"
)

// shell leaves an account standing until ctx ends, and prints to stdout what a
// shell has to source to work in it.
func shell(ctx context.Context, _ options) (err error) {
	fmt.Fprintln(os.Stderr, "starting the account: the first time it builds and fetches what it is made of")
	account, err := rehearsal.Start(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, account.Stop()) }()
	env, err := account.Env()
	if err != nil {
		return err
	}
	for _, entry := range env {
		fmt.Println("export " + entry)
	}
	fmt.Println("export KUBECONFIG=" + account.Kube.Kubeconfig())
	fmt.Fprintf(os.Stderr, "the account stands; in gmctl.yaml, say:\n      manifests: %s\nCtrl-C ends it\n", account.Manifests)
	<-ctx.Done()
	return nil
}
