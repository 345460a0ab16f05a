//go:build unix

package kube

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A log is read as the kubelet keeps it: its end, what came since a time, and
// what is written from then on.
func TestLog(t *testing.T) {
	client := open(t)
	node(t, client, "log", "t3.medium")
	path := filepath.Join(t.TempDir(), "log")
	write := func(lines ...string) {
		t.Helper()
		file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		for _, line := range lines {
			stamp, text, _ := strings.Cut(line, " ")
			fmt.Fprintf(file, "%s stdout F %s\n", stamp, text)
		}
	}
	lines := []string{"2026-11-24T10:00:01.5Z one", "2026-11-24T10:00:02.5Z two", "2026-11-24T10:00:03.5Z three"}
	write(lines...)

	name, wanted := set(t, client, together(namespace, deployment("web", "registry/web:1", "64Mi", 1)))
	apply(t, client, name, wanted)
	played := parse(t, fmt.Sprintf("apiVersion: kwok.x-k8s.io/v1alpha1\nkind: ClusterLogs\nmetadata: {name: %s}\nspec: {selector: {matchNamespaces: [%s]}, logs: [{logsFile: %s}]}\n", name, name, path))
	create(t, client, played)
	t.Cleanup(func() { client.remove(context.Background(), RefOf(played)) })
	if err := client.Wait(t.Context(), wanted, &updates{}); err != nil {
		t.Fatal(err)
	}
	containers, err := client.Containers(t.Context(), name)
	if err != nil || len(containers) != 1 {
		t.Fatal(containers, err)
	}
	web := containers[0]
	if web.Name != "app" || !strings.HasPrefix(web.App, "web-") || !web.Running || web.Restarts != 0 {
		t.Errorf("%+v", web)
	}
	eventually(t, func() bool { // kwok has no status that says it knows
		log, err := client.OpenLog(t.Context(), web, LogQuery{Tail: -1})
		if err == nil {
			log.Close()
		}
		return err == nil
	})
	for name, test := range map[string]struct {
		query LogQuery
		want  []string
	}{
		"all":   {LogQuery{Tail: -1}, lines},
		"tail":  {LogQuery{Tail: 1}, lines[2:]},
		"since": {LogQuery{Tail: -1, Since: time.Date(2026, 11, 24, 10, 0, 2, 900e6, time.UTC)}, lines[1:]},
	} {
		log, err := client.OpenLog(t.Context(), web, test.query)
		if err != nil {
			t.Fatal(name, err)
		}
		var got []string
		for scanner := bufio.NewScanner(log); scanner.Scan(); {
			got = append(got, scanner.Text())
		}
		log.Close()
		if strings.Join(got, "\n") != strings.ReplaceAll(strings.Join(test.want, "\n"), ".5Z", ".500000000Z") {
			t.Errorf("%s: %q", name, got)
		}
	}

	following, err := client.OpenLog(t.Context(), web, LogQuery{Tail: 1, Follow: true})
	if err != nil {
		t.Fatal(err)
	}
	defer following.Close()
	came := make(chan string)
	go func() {
		defer close(came)
		for scanner := bufio.NewScanner(following); scanner.Scan(); {
			came <- scanner.Text()
		}
	}()
	for _, want := range []string{"three", "four"} {
		select {
		case line := <-came:
			if !strings.HasSuffix(line, " "+want) {
				t.Errorf("%q came, not %s", line, want)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("%s does not come", want)
		}
		if want == "three" {
			write("2026-11-24T10:00:04.5Z four")
		}
	}

	if _, err := client.OpenLog(t.Context(), Container{Namespace: name, Pod: "gone", Name: "app"}, LogQuery{}); !errors.Is(err, ErrNoLog) {
		t.Errorf("of a pod that is gone: %v", err)
	}
	if none, err := client.Containers(t.Context(), "not-there"); err != nil || len(none) != 0 {
		t.Errorf("%v, %v", none, err)
	}
}
