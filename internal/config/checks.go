package config

import (
	"fmt"
	"net"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/suggest"
)

// NamePattern is what an environment's name must match: a DNS label, as it
// becomes part of host names, Kubernetes names and paths.
const NamePattern = `^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`

// Port numbers that can be listened on.
const (
	MinPort = 1
	MaxPort = 65535
)

// refusal is what a check has against a value.
type refusal struct {
	message    string // continues the field's name: "must be between 1 and 65535, not 0"
	suggestion string
}

// check returns what the check called name has against value, nil for nothing.
// The value has the field's type, or its element's for a list.
func check(name string, value reflect.Value) *refusal {
	switch name {
	case "apiVersion":
		if v := value.String(); v != APIVersion {
			return &refusal{fmt.Sprintf("%q is not known to this gmctl, which reads %s", v, APIVersion), APIVersion}
		}
	case "provider":
		return checkProvider(value.String())
	case "name":
		if name := value.String(); !regexp.MustCompile(NamePattern).MatchString(name) {
			return &refusal{message: fmt.Sprintf("%q is not a name for an environment: use at most 63 of a-z, 0-9 and -, with no - at either end", name)}
		}
	case "port", "count", "days", "percent", "zones":
		return checkNumber(name, value.Int())
	case "positive":
		if d := time.Duration(value.Int()); d <= 0 {
			return &refusal{message: fmt.Sprintf("must be longer than nothing, not %s", d)}
		}
	case "path":
		if value.String() == "" {
			return &refusal{message: "must be a path: leave the line out for the default"}
		}
	case "address":
		return checkAddress(value.String())
	case "":
	default:
		return checkText(name, value.String())
	}
	return nil
}

func checkNumber(name string, given int64) *refusal {
	low, high, _ := Limits(name)
	if given >= int64(low) && given <= int64(high) {
		return nil
	}
	what := "a number"
	if name == "port" {
		what = "a port"
	}
	return &refusal{message: fmt.Sprintf("must be %s from %d to %d, not %d", what, low, high, given)}
}

func checkText(name, given string) *refusal {
	if allowed := Choices(name); allowed != nil && !slices.Contains(allowed, given) {
		return &refusal{fmt.Sprintf("must be one of %s, not %q", strings.Join(allowed, ", "), given), suggest.Nearest(given, allowed)}
	}
	if p, ok := PatternOf(name); ok && !regexp.MustCompile(p.Expression).MatchString(given) {
		return &refusal{message: fmt.Sprintf("must be %s, not %q", p.Means, given)}
	}
	return nil
}

func checkProvider(given string) *refusal {
	var names []string
	for _, p := range Providers() {
		names = append(names, string(p))
	}
	if slices.Contains(names, given) {
		return nil
	}
	return &refusal{fmt.Sprintf("%q is not a provider: choose one of %v", given, names), suggest.Nearest(given, names)}
}

func checkAddress(given string) *refusal {
	host, port, err := net.SplitHostPort(given)
	if number, numberErr := strconv.Atoi(port); err == nil && host != "" && numberErr == nil && number >= MinPort && number <= MaxPort {
		return nil
	}
	r := &refusal{message: fmt.Sprintf("%q is not an address: write host:port", given)}
	if err != nil && given != "" {
		if _, _, err := net.SplitHostPort(given + ":9092"); err == nil {
			r.suggestion = given + ":9092"
		}
	}
	return r
}

// CheckName returns a usage error where name cannot be an environment's.
func CheckName(name string) error {
	if r := check("name", reflect.ValueOf(name)); r != nil {
		return &problem.Error{What: r.message, Kind: problem.Usage}
	}
	return nil
}
