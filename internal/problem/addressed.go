package problem

import (
	"errors"
	"regexp"
	"strings"
)

// onEnvironment is a command of gmctl that works on an environment.
var onEnvironment = regexp.MustCompile(`\bgmctl (up|plan|status|teardown|history( show)?|logs|doctor|psql|upgrade|kubeconfig|(kafka|events|nodes|keys|schemas|players) [a-z]+)\b`)

// Addressed returns p with its remedy, or that of its cause, meant for the
// environment: the commands of gmctl in it name it, where they do not yet. It
// returns nil for nil.
func Addressed(p *Error, environment string) *Error {
	if p == nil {
		return nil
	}
	next := p.Next
	for cause := p; next == ""; next = cause.Next {
		var ok bool
		if cause, ok = errors.AsType[*Error](cause.Cause); !ok {
			return p
		}
	}
	addressed := *p
	addressed.Next = address(next, environment)
	return &addressed
}

func address(text, environment string) string {
	var all strings.Builder
	for {
		at := onEnvironment.FindStringIndex(text)
		if at == nil {
			return all.String() + text
		}
		all.WriteString(text[:at[1]])
		text = text[at[1]:]
		// The command goes as far as the next one, or the end of its clause.
		words := text
		if end := strings.IndexAny(words, ",;()"); end >= 0 {
			words = words[:end]
		}
		if other := strings.Index(words, "gmctl "); other >= 0 {
			words = words[:other]
		}
		if !strings.Contains(words, " -e") && !strings.Contains(words, " --env") {
			all.WriteString(" -e " + environment)
		}
	}
}
