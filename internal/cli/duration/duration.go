// Package duration is the flag of a time that may be long: it knows days, as
// gmctl.yaml does (30d, 1d12h, 90m).
package duration

import (
	"errors"
	"time"

	"github.com/spf13/pflag"

	"github.com/gamemetrics/gmctl/internal/config"
)

// Var defines a flag for a duration that is not negative. Without the flag it is
// value; the help does not name a value of 0.
func Var(flags *pflag.FlagSet, p *time.Duration, name string, value time.Duration, usage string) {
	*p = value
	flags.Var((*duration)(p), name, usage)
}

type duration time.Duration

func (d *duration) String() string {
	if *d == 0 {
		return ""
	}
	return config.FormatDuration(time.Duration(*d))
}

// Type names the value in help texts.
func (d *duration) Type() string { return "duration" }

// Set reads the value.
func (d *duration) Set(text string) error {
	parsed, err := config.ParseDuration(text)
	if err != nil {
		return err
	}
	if parsed < 0 {
		return errors.New("it must not be negative")
	}
	*d = duration(parsed)
	return nil
}
