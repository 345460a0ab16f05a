package terraform

import (
	"bytes"
	"encoding/json"
)

// message is one line of Terraform's machine-readable output, of which gmctl
// reads this much.
type message struct {
	Type       string      `json:"type"`
	Level      string      `json:"@level"`
	Text       string      `json:"@message"`
	Diagnostic *Diagnostic `json:"diagnostic"`
	Hook       *struct {
		Resource resource `json:"resource"`
		Action   string   `json:"action"`
		Elapsed  int      `json:"elapsed_seconds"`
	} `json:"hook"`
	Change *struct {
		Resource resource `json:"resource"`
		Action   string   `json:"action"`
		Reason   string   `json:"reason"`
	} `json:"change"`
	Outputs map[string]struct {
		Action string `json:"action"`
	} `json:"outputs"`
}

// resource names one in a message.
type resource struct {
	Address string `json:"addr"`
	Module  string `json:"module"`
	Type    string `json:"resource_type"`
	Name    string `json:"resource_name"`
	Key     any    `json:"resource_key"` // string, number or nothing
}

// Diagnostic is an error or a warning of Terraform.
type Diagnostic struct {
	Severity string `json:"severity"`
	Summary  string `json:"summary"`
	Detail   string `json:"detail"`
	Address  string `json:"address"` // of the resource; empty if it is of none
}

// stream is a writer for Terraform's machine-readable output. It keeps the
// errors and hands every message on.
type stream struct {
	Diagnostics []Diagnostic
	Each        func(message) // nil: nobody else reads them

	rest []byte // of a line that is not complete
}

// Write takes any part of the output. Lines that are no messages are passed over.
func (s *stream) Write(output []byte) (int, error) {
	s.rest = append(s.rest, output...)
	for {
		line, rest, complete := bytes.Cut(s.rest, []byte("\n"))
		if !complete {
			return len(output), nil
		}
		s.take(line)
		s.rest = rest
	}
}

func (s *stream) take(line []byte) {
	var m message
	if json.Unmarshal(line, &m) != nil {
		return
	}
	if m.Diagnostic != nil && m.Diagnostic.Severity == "error" {
		s.Diagnostics = append(s.Diagnostics, *m.Diagnostic)
	}
	if s.Each != nil {
		s.Each(m)
	}
}
