package postgres

import (
	"net/url"
	"strings"
)

// Login is who connects, where that comes apart from the connection string.
type Login struct {
	User     string // empty: the connection string's
	Password string // empty: the connection string's
}

// In returns the connection string with the login in place of its own.
func (l Login) In(dsn string) string {
	if l == (Login{}) {
		return dsn
	}
	if !strings.HasPrefix(dsn, "postgres://") && !strings.HasPrefix(dsn, "postgresql://") {
		return strings.TrimSpace(dsn + keyword("user", l.User) + keyword("password", l.Password)) // the last of a kind counts
	}
	address, err := url.Parse(dsn)
	if err != nil {
		return dsn // whoever connects with it says what is wrong
	}
	user, password := address.User.Username(), ""
	if address.User != nil {
		password, _ = address.User.Password()
	}
	if l.User != "" {
		user = l.User
	}
	if l.Password != "" {
		password = l.Password
	}
	address.User = url.UserPassword(user, password)
	if password == "" {
		address.User = url.User(user)
	}
	return address.String()
}

// keyword is a setting in the keyword=value form.
func keyword(name, value string) string {
	if value == "" {
		return ""
	}
	return " " + name + "='" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(value) + "'"
}
