package terraform

import (
	"time"

	"github.com/gamemetrics/gmctl/internal/engine"
)

// worthWaiting is from when on Terraform is said to wait for a resource, and
// not just to be at it.
const worthWaiting = 20 * time.Second

// progress turns the messages of an apply into updates.
type progress struct {
	report  engine.Reporter
	total   int  // resources to change
	counted bool // total is known; otherwise the messages tell it
	done    int
	running []operation // in the order in which they began
}

type operation struct {
	resource resource
	action   string
}

func (o operation) usually() time.Duration {
	if o.action == "delete" {
		return kindOf(o.resource.Type).delete
	}
	return kindOf(o.resource.Type).create
}

func (p *progress) take(m message) {
	switch m.Type {
	case "planned_change":
		if !p.counted {
			p.total++
		}
		return
	case "diagnostic":
		if m.Diagnostic != nil && m.Diagnostic.Severity == "warning" {
			p.report.Report(engine.Update{Kind: engine.UpdateWarning, Message: m.Diagnostic.Summary})
		}
		return
	}
	if m.Hook == nil {
		return
	}
	switch m.Type {
	case "apply_start":
		p.running = append(p.running, operation{m.Hook.Resource, m.Hook.Action})
	case "apply_complete", "apply_errored":
		p.finish(m)
	case "apply_progress":
	default: // refreshes and provisioners
		return
	}
	p.tell()
}

func (p *progress) finish(m message) {
	for i, running := range p.running {
		if running.resource.Address == m.Hook.Resource.Address {
			p.running = append(p.running[:i:i], p.running[i+1:]...)
			break
		}
	}
	if m.Type == "apply_complete" {
		p.done++
	}
}

// tell reports the one operation at work that takes longest: the others are
// done before it.
func (p *progress) tell() {
	update := engine.Update{Kind: engine.UpdateProgress, Message: "making the changes", Done: int64(p.done), Total: int64(max(p.total, p.done)), Unit: "resources"}
	if len(p.running) > 0 {
		longest := p.running[0]
		for _, other := range p.running[1:] {
			if other.usually() > longest.usually() {
				longest = other
			}
		}
		update.Message = doing(longest.action) + " " + longest.resource.title()
		if longest.usually() >= worthWaiting {
			update.Kind, update.Usually = engine.UpdateWaiting, longest.usually()
			update.Message = longest.resource.title() + " to be " + done(longest.action)
		}
	} else if p.done == p.total {
		update.Message = "saving the state"
	}
	p.report.Report(update)
}

func doing(action string) string {
	switch action {
	case "create":
		return "creating"
	case "delete":
		return "deleting"
	case "update":
		return "changing"
	}
	return "working on"
}

func done(action string) string {
	switch action {
	case "create":
		return "created"
	case "delete":
		return "deleted"
	case "update":
		return "changed"
	}
	return "ready"
}
