//go:build linux

package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// watch reads the arguments of processes again and again.
type watch struct {
	cancel context.CancelFunc
	done   chan struct{}

	mu  sync.Mutex
	all map[string]bool
}

// watchArguments watches all processes of this machine.
func watchArguments() *watch {
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
