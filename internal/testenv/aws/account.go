//go:build unix

package aws

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gamemetrics/gmctl/internal/testenv"
	"github.com/gamemetrics/gmctl/internal/testenv/process"
)

// AccountID is the account that the emulator's credentials belong to.
const AccountID = "123456789012"

// Region is where the tests work.
const Region = "eu-central-1"

// startTimeout bounds the start of the emulator, which takes under a second.
const startTimeout = 60 * time.Second

// Account is an emulated AWS account.
type Account struct {
	Endpoint string // URL of every service's API

	dir     string   // holds the emulator and its log
	env     []string // of the emulator alone
	process *process.Process
}

// Run starts an account for one test and stops it after. A failed test's output
// holds the end of the emulator's log. The test is skipped where there is no
// Python, and fails where the emulator does not start.
func Run(t testing.TB, options ...Option) *Account {
	t.Helper()
	_, err := Fetch(t.Context())
	testenv.Require(t, testenv.AWS, err)
	account, err := Start(t.Context(), options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(account.log())
		}
		if err := account.Stop(); err != nil {
			t.Error(err)
		}
	})
	return account
}

// Start starts an account; the caller stops it.
func Start(ctx context.Context, options ...Option) (*Account, error) {
	home, err := Fetch(ctx)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "gmctl-test-aws-")
	if err != nil {
		return nil, err
	}
	account := &Account{dir: dir}
	for _, option := range options {
		option(account)
	}
	if err := account.start(ctx, home); err != nil {
		return nil, errors.Join(err, account.Stop())
	}
	return account, nil
}

func (a *Account) start(ctx context.Context, home string) error {
	port, err := freePort(ctx)
	if err != nil {
		return err
	}
	a.Endpoint = fmt.Sprintf("http://127.0.0.1:%d", port)
	if err := os.CopyFS(a.dir, emulator); err != nil {
		return err
	}
	cmd := exec.Command(interpreter(home), filepath.Join(a.dir, "emulator.py"))
	cmd.Dir = a.dir
	cmd.Env = append(os.Environ(),
		"MINISTACK_ACCOUNT_ID="+AccountID, "GATEWAY_PORT="+strconv.Itoa(port),
		"BIND_HOST=127.0.0.1", "MINISTACK_HOST=127.0.0.1", "REDIS_HOST=127.0.0.1",
		"IOT_MTLS_ENABLED=0", "SFTP_ENABLED=0", "PYTHONDONTWRITEBYTECODE=1")
	cmd.Env = append(cmd.Env, a.env...)
	if a.process, err = process.Start(cmd, filepath.Join(a.dir, "log")); err != nil {
		return err
	}
	return a.awaitReady(ctx)
}

func (a *Account) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, a.Endpoint+"/_ministack/health", nil)
		if err != nil {
			return err
		}
		response, err := http.DefaultClient.Do(request)
		if err == nil {
			_ = response.Body.Close() // only its status counts
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the AWS emulator does not answer: %w\n%s", ctx.Err(), a.log())
		case <-a.process.Done():
			return fmt.Errorf("the AWS emulator has ended:\n%s", a.log())
		case <-time.After(30 * time.Millisecond):
		}
	}
}

// Env returns environment variables, as name=value, that lead Terraform and any
// AWS SDK to the account. It replaces credentials and profiles of the machine.
func (a *Account) Env() []string {
	return []string{
		"AWS_ENDPOINT_URL=" + a.Endpoint, "AWS_ACCESS_KEY_ID=" + AccountID, "AWS_SECRET_ACCESS_KEY=test",
		"AWS_SESSION_TOKEN=", "AWS_PROFILE=", "AWS_REGION=" + Region, "AWS_DEFAULT_REGION=" + Region,
		"AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE=" + os.DevNull, "AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull,
	}
}

// Setenv sets Env for the test.
func (a *Account) Setenv(t *testing.T) {
	t.Helper()
	for _, entry := range a.Env() {
		name, value, _ := strings.Cut(entry, "=")
		t.Setenv(name, value)
	}
}

// Stop ends the emulator and forgets the account.
func (a *Account) Stop() error {
	if a.process != nil {
		a.process.Kill()
	}
	return os.RemoveAll(a.dir)
}

func (a *Account) log() string {
	return process.FileTail(filepath.Join(a.dir, "log"), 40)
}

func freePort(ctx context.Context) (int, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(port)
}
