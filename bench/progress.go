package main

import (
	"fmt"
	"io"
	"time"
)

// progress tells on standard error what is going on. It is for one goroutine.
type progress struct {
	to   io.Writer
	last time.Time
}

// say writes a line.
func (p *progress) say(format string, args ...any) {
	p.last = time.Now()
	fmt.Fprintf(p.to, "bench: "+format+"\n", args...)
}

// sometimes says it, where nothing was said for two seconds.
func (p *progress) sometimes(format string, args ...any) {
	if time.Since(p.last) >= 2*time.Second {
		p.say(format, args...)
	}
}
