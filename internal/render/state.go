package render

import (
	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/iostreams"
)

// State prints a stage's state with its glyph: "● ready".
func State(paint Painter, state engine.State) string {
	glyph, style := stateGlyph(state)
	if style == "" {
		return glyph + " " + string(state)
	}
	return paint(style, glyph+" "+string(state))
}

func stateGlyph(state engine.State) (glyph string, style iostreams.Style) {
	switch state {
	case engine.StateReady:
		return "●", iostreams.Green
	case engine.StateStarting:
		return "◐", iostreams.Cyan
	case engine.StateDegraded:
		return "▲", iostreams.Yellow
	case engine.StateDown:
		return "✗", iostreams.Red
	case engine.StateAbsent:
		return "○", iostreams.Faint
	default:
		return "?", iostreams.Yellow
	}
}

// Action prints what a change does with its sign, as in a diff: "+ create".
func Action(paint Painter, action engine.Action) string {
	sign, style := actionSign(action)
	return paint(style, sign+" "+string(action))
}

func actionSign(action engine.Action) (sign string, style iostreams.Style) {
	switch action {
	case engine.ActionCreate, engine.ActionStart:
		return "+", iostreams.Green
	case engine.ActionDelete, engine.ActionStop:
		return "-", iostreams.Red
	case engine.ActionUpdate, engine.ActionRestart:
		return "~", iostreams.Yellow
	case engine.ActionReplace:
		return "±", iostreams.Red
	case engine.ActionRun:
		return "›", iostreams.Cyan
	default:
		return "=", iostreams.Faint
	}
}
