// Package host tells what machine a run was measured on, and how busy that was.
package host

import (
	"os"
	"runtime"
	"strings"
)

// Load returns how many tasks ran or waited to, on average over the last minute.
func Load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(text), " ")
	return first
}

// Processor returns the name of the processor.
func Processor() string { return firstField("/proc/cpuinfo", "model name") }

// Memory returns the size of the memory.
func Memory() string { return firstField("/proc/meminfo", "MemTotal") }

// firstField returns the value of the first line of a file of the form "name: value".
func firstField(file, name string) string {
	all, err := os.ReadFile(file)
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(all)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// Kernel returns the name and release of the kernel.
func Kernel() string {
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "unknown"
	}
	return "Linux " + strings.TrimSpace(string(release)) + " " + runtime.GOARCH
}
