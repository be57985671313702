// Package table holds the figures of a run: samples and their percentiles, and
// tables in Markdown.
package table

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Samples are times that were measured.
type Samples []time.Duration

// Percentile returns the smallest sample that at least p percent of all samples
// do not exceed (nearest rank); zero where there is none.
func (s Samples) Percentile(p float64) time.Duration {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	rank := int(math.Ceil(p / 100 * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// Table is a table in Markdown.
type Table struct {
	Title string
	Notes []string // stand above the rows
	Head  []string
	Rows  [][]string
}

// Add adds a row.
func (t *Table) Add(cells ...string) { t.Rows = append(t.Rows, cells) }

// WriteTo writes the table with its title and notes.
func (t *Table) WriteTo(w io.Writer) (int64, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "### %s\n\n", t.Title)
	for _, note := range t.Notes {
		fmt.Fprintf(&b, "%s\n\n", note)
	}
	widths := make([]int, len(t.Head))
	for _, row := range append([][]string{t.Head}, t.Rows...) {
		for i, cell := range row[:min(len(row), len(widths))] {
			widths[i] = max(widths[i], utf8.RuneCountInString(escape(cell)))
		}
	}
	write := func(row []string) {
		for i, width := range widths {
			cell := ""
			if i < len(row) {
				cell = escape(row[i])
			}
			fmt.Fprintf(&b, "| %s%s ", cell, strings.Repeat(" ", width-utf8.RuneCountInString(cell)))
		}
		b.WriteString("|\n")
	}
	write(t.Head)
	for _, width := range widths {
		b.WriteString("|" + strings.Repeat("-", width+2))
	}
	b.WriteString("|\n")
	for _, row := range t.Rows {
		write(row)
	}
	b.WriteString("\n")
	n, err := io.WriteString(w, b.String())
	return int64(n), err
}

func escape(cell string) string {
	return strings.ReplaceAll(strings.ReplaceAll(cell, "\n", " "), "|", `\|`)
}

// Count writes a number with commas between thousands.
func Count(n float64) string {
	digits := fmt.Sprintf("%.0f", math.Abs(n))
	var b strings.Builder
	if n <= -0.5 {
		b.WriteByte('-')
	}
	for i := range len(digits) {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteByte(digits[i])
	}
	return b.String()
}

// Time writes a duration to three digits.
func Time(d time.Duration) string {
	switch {
	case d >= 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d >= time.Second:
		return fmt.Sprintf("%.2f s", d.Seconds())
	case d >= 10*time.Millisecond:
		return fmt.Sprintf("%.0f ms", ms(d))
	default:
		return fmt.Sprintf("%.1f ms", ms(d))
	}
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// MiB writes a number of bytes.
func MiB(bytes int64) string { return Count(float64(bytes)/(1<<20)) + " MiB" }

// Mark tells whether a target is met.
func Mark(met bool) string {
	if met {
		return "✓"
	}
	return "✗"
}
