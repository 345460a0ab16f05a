//go:build unix

package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"math"
	"strings"
	"text/template"
	"time"
)

//go:embed templates/throughput.svg.tmpl
var throughputSVG string

// The measures of a panel, in pixels.
const (
	panelWidth, panelHeight = 440.0, 300.0
	panelGap                = 120.0
	marginLeft, marginTop   = 70.0, 60.0
	textHeight              = 15.0
)

// mark is a line of the grid, and what it says.
type mark struct {
	At   float64
	Text string
}

// line is one quantile of a curve.
type line struct {
	Name, Class, Points string
	EndX, LabelY        float64
}

// panel is one curve as it is drawn.
type panel struct {
	Left, Width, Height float64
	Title               string
	X, Y                []mark
	Lines               []line
}

// draw draws each curve in a panel of its own: the rate to the right, latency
// upwards on a logarithmic scale that all share.
func draw(curves []curve) ([]byte, error) {
	low, high := decades(curves)
	y := func(d time.Duration) float64 {
		at := (math.Log10(max(ms(d), math.Pow(10, low))) - low) / (high - low)
		return panelHeight * (1 - at)
	}
	var panels []panel
	for i, c := range curves {
		p := panel{Left: marginLeft + float64(i)*(panelWidth+panelGap), Width: panelWidth, Height: panelHeight, Title: c.Title}
		for decade := low; decade <= high; decade++ {
			p.Y = append(p.Y, mark{panelHeight * (1 - (decade-low)/(high-low)), duration(decade)})
		}
		right := 0.0
		for _, point := range c.points {
			right = max(right, point.perSecond)
		}
		step := tick(right)
		for at := 0.0; at <= right; at += step {
			p.X = append(p.X, mark{panelWidth * at / right, fmt.Sprintf("%g k", at/1000)})
		}
		for _, quantile := range []struct {
			name, class string
			of          func(point) time.Duration
		}{
			{"p50", "median", func(p point) time.Duration { return p.p50 }},
			{"p99", "tail", func(p point) time.Duration { return p.p99 }},
			{"p99.9", "end", func(p point) time.Duration { return p.p99_9 }},
		} {
			l := line{Name: quantile.name, Class: quantile.class}
			var points []string
			for _, point := range c.points {
				l.EndX, l.LabelY = panelWidth*point.perSecond/right, y(quantile.of(point))
				points = append(points, fmt.Sprintf("%.1f,%.1f", l.EndX, l.LabelY))
			}
			if below := len(p.Lines) - 1; below >= 0 { // names of lines that end close together stay apart
				l.LabelY = min(l.LabelY, p.Lines[below].LabelY-textHeight)
			}
			l.Points = strings.Join(points, " ")
			p.Lines = append(p.Lines, l)
		}
		panels = append(panels, p)
	}
	parsed, err := template.New("throughput").Parse(throughputSVG)
	if err != nil {
		return nil, err
	}
	var picture bytes.Buffer
	err = parsed.Execute(&picture, map[string]any{
		"Panels": panels, "Top": marginTop,
		"Width":  marginLeft + float64(len(panels))*(panelWidth+panelGap),
		"Height": marginTop + panelHeight + 70,
	})
	return picture.Bytes(), err
}

// decades are the powers of ten, in milliseconds, that all latencies lie between.
func decades(curves []curve) (low, high float64) {
	least, most := time.Hour, time.Duration(0)
	for _, c := range curves {
		for _, p := range c.points {
			least, most = min(least, p.p50), max(most, p.p99_9)
		}
	}
	low = math.Floor(math.Log10(max(ms(least), 0.01)))
	return low, max(math.Ceil(math.Log10(max(ms(most), 0.01))), low+1)
}

// duration is a power of ten of milliseconds as people read it.
func duration(decade float64) string {
	if decade >= 3 {
		return fmt.Sprintf("%g s", math.Pow(10, decade-3))
	}
	return fmt.Sprintf("%g ms", math.Pow(10, decade))
}

// tick is a round distance that divides up to right into four to ten parts.
func tick(right float64) float64 {
	step := math.Pow(10, math.Floor(math.Log10(max(right, 1))))
	for _, part := range []float64{1, 2, 5} {
		if right*part/step >= 4 {
			return step / part
		}
	}
	return step / 10
}
