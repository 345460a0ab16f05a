//go:build linux

package rehearsal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/jackc/pgx/v5"

	"github.com/gamemetrics/gmctl/internal/testenv/certificate"
	"github.com/gamemetrics/gmctl/internal/testenv/postgres"
)

// What RDS makes for gmctl: the address it says is that of the pods' own loopback
// interface, where a route leads to the real server.
const (
	databaseHost = "127.0.0.1"
	databasePort = 5432
	databaseName = "gamemetrics"
	masterSecret = "rds!db-" // how the names of RDS's master secrets begin
)

// database is the PostgreSQL behind the RDS endpoint: empty for each instance,
// with the master user that RDS gave the instance.
type database struct {
	server *postgres.Server
	vault  *secretsmanager.Client
	cancel context.CancelFunc
	done   chan struct{}
	log    func(format string, args ...any)

	mu   sync.Mutex
	user *url.Userinfo // of the instance's master; nil: there is no instance
}

func startDatabase(ctx context.Context, endpoint, region, account string, log func(string, ...any)) (*database, error) {
	server, err := postgres.StartServer(ctx, postgres.Options{Unsafe: true})
	if err != nil {
		return nil, err
	}
	d := &database{server: server, done: make(chan struct{}), log: log}
	if err := d.encrypt(ctx); err != nil {
		return nil, errors.Join(err, server.Remove())
	}
	d.vault = secretsmanager.New(secretsmanager.Options{
		BaseEndpoint: aws.String(endpoint), Region: region, Credentials: credentials.NewStaticCredentialsProvider(account, "test", ""),
	})
	var watching context.Context
	watching, d.cancel = context.WithCancel(context.Background())
	go d.watch(watching)
	return d, nil
}

func (d *database) stop() error {
	d.cancel()
	<-d.done
	return d.server.Remove()
}

// encrypt has the server take TLS, as RDS does, with a certificate of its own.
func (d *database) encrypt(ctx context.Context) error {
	made, err := certificate.SelfSigned(certificate.Subject{Name: databaseHost})
	if err != nil {
		return err
	}
	info, err := os.Stat(d.server.DataDir())
	if err != nil {
		return err
	}
	owner := info.Sys().(*syscall.Stat_t)
	files := []string{filepath.Join(d.server.DataDir(), "server.crt"), filepath.Join(d.server.DataDir(), "server.key")}
	if err := made.WriteFiles(files[0], files[1]); err != nil {
		return err
	}
	for _, path := range files {
		if err := os.Chown(path, int(owner.Uid), int(owner.Gid)); err != nil {
			return err
		}
	}
	return d.run(ctx, "postgres", "ALTER SYSTEM SET ssl = on", "SELECT pg_reload_conf()")
}

// run executes statements as the superuser.
func (d *database) run(ctx context.Context, name string, statements ...string) error {
	conn, err := pgx.Connect(ctx, d.server.SuperuserDSN(name))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for _, statement := range statements {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("%.20s: %w", statement, err) // no more: there may be a password in it
		}
	}
	return nil
}

// watch makes a database for each instance that appears, and gives its master the
// password that the secret has by now.
func (d *database) watch(ctx context.Context) {
	defer close(d.done)
	var made string         // of which instance's secret the database is
	var known *url.Userinfo // its login
	for {
		arn, user, err := d.master(ctx)
		switch {
		case err != nil:
		case arn != made:
			err = d.renew(ctx, user)
		case user != nil && user.String() != known.String():
			err = d.rotate(ctx, user)
		}
		if err == nil {
			made, known = arn, user
		} else if ctx.Err() == nil {
			d.log("the database: %v", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(300 * time.Millisecond):
		}
	}
}

// master finds the login that RDS gave the instance; "" where there is none.
func (d *database) master(ctx context.Context) (arn string, user *url.Userinfo, err error) {
	listed, err := d.vault.ListSecrets(ctx, nil)
	if err != nil {
		return "", nil, err
	}
	for _, secret := range listed.SecretList {
		if !strings.HasPrefix(aws.ToString(secret.Name), masterSecret) {
			continue
		}
		answer, err := d.vault.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: secret.ARN})
		if err != nil {
			return "", nil, err
		}
		var login struct{ Username, Password string }
		err = json.Unmarshal([]byte(aws.ToString(answer.SecretString)), &login)
		return aws.ToString(secret.ARN), url.UserPassword(login.Username, login.Password), err
	}
	return "", nil, nil
}

// renew begins with an empty database, which belongs to the master as on RDS: no
// superuser, but one who may make roles. A nil user: the instance is gone.
func (d *database) renew(ctx context.Context, user *url.Userinfo) error {
	statements := []string{"DROP DATABASE IF EXISTS " + databaseName + " WITH (FORCE)", `DROP ROLE IF EXISTS gamemetrics_app`}
	if user != nil {
		name, password := quoted(user)
		statements = append(statements,
			"DROP ROLE IF EXISTS "+name,
			fmt.Sprintf("CREATE ROLE %s LOGIN CREATEROLE CREATEDB PASSWORD %s", name, password),
			fmt.Sprintf("CREATE DATABASE %s OWNER %s", databaseName, name),
		)
	}
	return d.admit(ctx, user, statements...)
}

// rotate gives the master another password.
func (d *database) rotate(ctx context.Context, user *url.Userinfo) error {
	name, password := quoted(user)
	return d.admit(ctx, user, fmt.Sprintf("ALTER ROLE %s PASSWORD %s", name, password))
}

// admit executes what makes the user the master.
func (d *database) admit(ctx context.Context, user *url.Userinfo, statements ...string) error {
	if err := d.run(ctx, "postgres", statements...); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.user = user
	return nil
}

// quoted is a login for use in statements.
func quoted(user *url.Userinfo) (name, password string) {
	password, _ = user.Password()
	return pgx.Identifier{user.Username()}.Sanitize(), "'" + strings.ReplaceAll(password, "'", "''") + "'"
}

// url is how the instance's master connects, past the cluster.
func (d *database) url() (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.user == nil {
		return "", errors.New("there is no database yet")
	}
	address := url.URL{
		Scheme: "postgres", User: d.user, Host: fmt.Sprintf("127.0.0.1:%d", d.server.Port()), Path: "/" + databaseName, RawQuery: "sslmode=require",
	}
	return address.String(), nil
}
