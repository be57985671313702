// Package servertiming reads and writes the response headers Server-Timing and
// Timing-Allow-Origin as far as they carry a trace to the page, and decides which
// origins may see them. It sets no headers itself; package throughline does.
package servertiming
