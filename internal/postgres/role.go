package postgres

import (
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/gamemetrics/gmctl/internal/problem"
)

var (
	//go:embed queries/role.sql
	lookAtRole string
	//go:embed queries/grants.sql
	grantServices string
)

// EnsureRole has a role that the services log in as: it may store and read
// events, and nothing else. It makes the role or gives it the password, and
// grants what the present schema has, which Migrate must have made; the pool is
// the owner's. Several may do so at once. Its error is a *problem.Error, and
// neither it nor anything that PostgreSQL logs holds the password.
func EnsureRole(ctx context.Context, pool *pgxpool.Pool, role Login) error {
	if !regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`).MatchString(role.User) || strings.HasPrefix(role.User, "pg_") {
		return roleProblem(fmt.Errorf("%q is no name for it", role.User), "name it with lower-case letters, digits and underscores")
	}
	verifier, err := scramVerifier(role.Password)
	if err != nil {
		return roleProblem(err, "give it a password of letters and digits")
	}
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error { return ensureRole(ctx, tx, role.User, verifier) })
	if p, ok := errors.AsType[*problem.Error](err); ok {
		return p
	}
	if err != nil {
		why := Explain(err, pool.Config().ConnString())
		return roleProblem(why, why.Next)
	}
	return nil
}

func roleProblem(cause error, next string) *problem.Error {
	return &problem.Error{What: "the role that the services log in as could not be made", Cause: cause, Next: next}
}

func ensureRole(ctx context.Context, tx pgx.Tx, name, verifier string) error {
	if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", migrationLock); err != nil {
		return err
	}
	verb := "ALTER"
	var self, mighty bool
	err := tx.QueryRow(ctx, lookAtRole, name).Scan(&self, &mighty)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		verb = "CREATE"
	case err != nil:
		return err
	case self:
		return roleProblem(errors.New(name+" is the owner of the schema"), "name another role for the services")
	case mighty:
		return roleProblem(errors.New(name+" is there and may do more than a service should"), "drop the role if nothing else needs it, or name another")
	}
	// A statement that makes a role takes no parameters; the verifier consists of
	// Base64, $, : and -.
	if _, err := tx.Exec(ctx, verb+" ROLE "+pgx.Identifier{name}.Sanitize()+" LOGIN PASSWORD '"+verifier+"'"); err != nil {
		return err
	}
	return grant(ctx, tx, name)
}

func grant(ctx context.Context, tx pgx.Tx, name string) error {
	var owner, database, schema string
	if err := tx.QueryRow(ctx, "SELECT current_user, current_database(), current_schema()").Scan(&owner, &database, &schema); err != nil {
		return err
	}
	quote := func(name string) string { return pgx.Identifier{name}.Sanitize() }
	_, err := tx.Exec(ctx, strings.NewReplacer(
		"{role}", quote(name), "{owner}", quote(owner), "{database}", quote(database), "{schema}", quote(schema),
	).Replace(grantServices))
	return err
}

// scramIterations is PostgreSQL's own number.
const scramIterations = 4096

// scramVerifier is what PostgreSQL keeps of a password, as RFC 5803 writes it. The
// password itself would stand in the server's log and in pg_stat_activity.
func scramVerifier(password string) (string, error) {
	if password == "" {
		return "", errors.New("there is no password for it")
	}
	for _, r := range password {
		if r < ' ' || r > '~' { // SASLprep would have to change it
			return "", errors.New("its password holds more than ASCII")
		}
	}
	salt := make([]byte, 16)
	_, _ = rand.Read(salt) // never fails
	salted, err := pbkdf2.Key(sha256.New, password, salt, scramIterations, sha256.Size)
	if err != nil {
		return "", err
	}
	stored := sha256.Sum256(keyed(salted, "Client Key"))
	encode := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", scramIterations, encode(salt), encode(stored[:]), encode(keyed(salted, "Server Key"))), nil
}

func keyed(key []byte, text string) []byte {
	mac := hmac.New(sha256.New, key)
	_, _ = mac.Write([]byte(text)) // a hash takes everything
	return mac.Sum(nil)
}
