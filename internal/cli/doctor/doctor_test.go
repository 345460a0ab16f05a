package doctor

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gamemetrics/gmctl/internal/cli/exitcode"
	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/doctor"
	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/problem"
)

var update = flag.Bool("update", false, "write the golden files")

// finds is a check that finds what it is told to.
func finds(name string, finding doctor.Finding) doctor.Check {
	return doctor.Check{Name: name, Look: func(context.Context, doctor.Machine, doctor.Subject) doctor.Finding { return finding }}
}

var (
	fine = finds("memory", doctor.Finding{Status: doctor.OK, Found: "8 GiB available of 16 GiB"})
	port = finds("port postgres", doctor.Finding{
		Status: doctor.Warning, Found: "5432 is taken", Why: "held by postgres (pid 77)",
		Next: "nothing: gmctl up takes 5433 instead; or stop the other, or set local.postgres.port",
	})
	full = finds("disk", doctor.Finding{Status: doctor.Missing, Found: "10 MiB free", Why: "a new environment takes about 60 MiB", Next: "free some disk space"})
	tool = finds("terraform", doctor.Finding{Status: doctor.Optional, Found: "not installed; only for environments in the cloud", Next: "install it"})
)

func execute(t *testing.T, streams *iostreams.IOStreams, checks []doctor.Check, arguments ...string) error {
	t.Helper()
	cmd := newCommand(factory.New(streams), func(ctx context.Context, opts *Options) error {
		opts.Checks = checks
		opts.Subject = func() (doctor.Subject, error) { return doctor.Subject{Env: "local"}, nil }
		return run(ctx, opts)
	})
	cmd.SetArgs(append([]string{}, arguments...)) // nil would be those of the test binary
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	return cmd.ExecuteContext(t.Context())
}

func TestDoctor(t *testing.T) {
	plain := func() (*iostreams.IOStreams, *bytes.Buffer) { s, _, out, _ := iostreams.Test(); return s, out }
	narrow := func() (*iostreams.IOStreams, *bytes.Buffer) {
		s, _, out, _ := iostreams.TestTerminal(60, 24, true)
		return s, out
	}
	tests := map[string]struct {
		streams   func() (*iostreams.IOStreams, *bytes.Buffer)
		checks    []doctor.Check
		arguments []string
		code      int
	}{
		"fit":      {plain, []doctor.Check{fine, port, tool}, nil, exitcode.OK},
		"missing":  {plain, []doctor.Check{fine, full, port}, nil, exitcode.Missing},
		"terminal": {narrow, []doctor.Check{fine, full, port, tool}, nil, exitcode.Missing},
		"json":     {plain, []doctor.Check{fine, full}, []string{"-o", "json"}, exitcode.Missing},
		"yaml":     {plain, []doctor.Check{fine, port}, []string{"-o", "yaml"}, exitcode.OK},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			streams, out := test.streams()
			err := execute(t, streams, test.checks, test.arguments...)
			if code := exitcode.Of(err); code != test.code {
				t.Errorf("exit code %d, %v", code, err)
			}
			golden(t, name, out.String())
		})
	}
}

func TestTheFirstRemedyIsTheNextStep(t *testing.T) {
	streams, _, _, _ := iostreams.Test()
	err := execute(t, streams, []doctor.Check{fine, full})
	p, ok := errors.AsType[*problem.Error](err)
	if !ok || p.Next != "free some disk space" || p.What != "the environment local cannot run on this machine: disk" {
		t.Errorf("got %+v", err)
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("differs from %s (-want +got):\n%s", path, diff)
	}
}
