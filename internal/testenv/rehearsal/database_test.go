//go:build linux

package rehearsal

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/jackc/pgx/v5"

	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/testenv"
	"github.com/gamemetrics/gmctl/internal/testenv/aws"
)

// The database comes with the instance's secret, follows its password, and goes
// with it; the next instance finds it empty.
func TestTheDatabaseIsTheInstances(t *testing.T) {
	account := aws.Run(t)
	d, err := startDatabase(t.Context(), account.Endpoint, aws.Region, aws.AccountID, t.Logf)
	if err != nil && problem.From(err).Kind != problem.Missing {
		t.Fatal(err)
	}
	testenv.Require(t, testenv.Postgres, err)
	t.Cleanup(func() {
		if err := d.stop(); err != nil {
			t.Error(err)
		}
	})
	if _, err := d.url(); err == nil {
		t.Error("there is a database without an instance")
	}

	secret := instance(t, d, "first")
	eventually(t, func() error { return execute(t, d, "first", "CREATE TABLE kept (id int)") })
	rotated, err := json.Marshal(login{"master", "second"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.vault.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{SecretId: &secret, SecretString: sdk.String(string(rotated))}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error { return execute(t, d, "second", "INSERT INTO kept VALUES (1)") })
	if err := execute(t, d, "second", "COPY kept TO PROGRAM 'true'"); err == nil {
		t.Error("the master may do what only a superuser may")
	}

	if _, err := d.vault.DeleteSecret(t.Context(), &secretsmanager.DeleteSecretInput{SecretId: &secret, ForceDeleteWithoutRecovery: sdk.Bool(true)}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		if _, err := d.url(); err == nil {
			return errors.New("the database outlives the instance")
		}
		return nil
	})
	instance(t, d, "third")
	eventually(t, func() error { return execute(t, d, "third", "CREATE TABLE kept (id int)") })
}

type login struct {
	Username string `json:"username"`
	Password string `json:"password"`
}

// instance makes the secret that RDS makes for one.
func instance(t *testing.T, d *database, password string) (arn string) {
	t.Helper()
	text, err := json.Marshal(login{"master", password})
	if err != nil {
		t.Fatal(err)
	}
	made, err := d.vault.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{
		Name: sdk.String(masterSecret + password), SecretString: sdk.String(string(text)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return *made.ARN
}

// execute runs a statement over TLS as the master, once it has the password.
func execute(t *testing.T, d *database, password, statement string) error {
	t.Helper()
	address, err := d.url()
	if err != nil {
		return err
	}
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		return err
	}
	defer conn.Close(t.Context())
	if got := conn.Config().Password; got != password {
		return fmt.Errorf("the password is still %s", got)
	}
	_, err = conn.Exec(t.Context(), statement)
	return err
}

func eventually(t *testing.T, check func() error) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if err = check(); err == nil {
			return
		}
	}
	t.Fatal(err)
}
