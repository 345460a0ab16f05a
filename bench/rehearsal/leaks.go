//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

// leaks looks for every secret of the account in all that gmctl has written and
// printed, and in the arguments of the processes that ran meanwhile.
func (r *run) leaks(ctx context.Context) error {
	values, err := secretValues(ctx)
	if err != nil {
		return err
	}
	if len(values) == 0 {
		return fmt.Errorf("the account has no secret: there is nothing to look for")
	}
	var found []string
	search := func(where string, text []byte) {
		for name, value := range values {
			if bytes.Contains(text, []byte(value)) || bytes.Contains(text, []byte(base64.StdEncoding.EncodeToString([]byte(value)))) {
				found = append(found, name+" stands in "+where)
			}
		}
	}
	search("what was printed", []byte(r.player.transcript()))
	search("the arguments of a process", []byte(r.watch.seen()))
	err = filepath.WalkDir(r.player.folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		if err == nil {
			search(path, text)
		}
		return err
	})
	r.proof.Leaks = len(found)
	if err == nil && len(found) > 0 {
		err = fmt.Errorf("%s", strings.Join(found, "; "))
	}
	return err
}

// secretValues are the strings of all secrets in Secrets Manager that nobody
// could guess, by where they stand.
func secretValues(ctx context.Context) (map[string]string, error) {
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, err
	}
	client := secretsmanager.NewFromConfig(cfg)
	listed, err := client.ListSecrets(ctx, nil)
	if err != nil {
		return nil, err
	}
	const guessable = 12 // a user's name is no secret
	values := map[string]string{}
	for _, secret := range listed.SecretList {
		answer, err := client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: secret.ARN})
		if err != nil {
			return nil, err
		}
		var fields map[string]any
		if err := json.Unmarshal([]byte(aws.ToString(answer.SecretString)), &fields); err != nil {
			return nil, err
		}
		for field, value := range fields {
			if text, ok := value.(string); ok && len(text) > guessable && field != "username" {
				values[aws.ToString(secret.Name)+"."+field] = text
			}
		}
	}
	return values, nil
}

// watch reads the arguments of this user's processes again and again.
type watch struct {
	cancel context.CancelFunc
	done   chan struct{}

	mu  sync.Mutex
	all map[string]bool
}

// watchArguments watches the processes that have to do with program.
func watchArguments(program string) *watch {
	ctx, cancel := context.WithCancel(context.Background())
	w := &watch{cancel: cancel, done: make(chan struct{}), all: map[string]bool{}}
	go func() {
		defer close(w.done)
		for {
			w.look()
			select {
			case <-ctx.Done():
				return
			case <-time.After(100 * time.Millisecond):
			}
		}
	}()
	return w
}

func (w *watch) look() {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline") // the pattern is well-formed
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil { // ended
			continue
		}
		w.mu.Lock()
		w.all[string(text)] = true
		w.mu.Unlock()
	}
}

func (w *watch) seen() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all strings.Builder
	for text := range w.all {
		all.WriteString(text + "\n")
	}
	return all.String()
}

func (w *watch) stop() {
	w.cancel()
	<-w.done
}
