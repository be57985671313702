// Package proxy is a reverse proxy that links the requests of real users with the traces
// of backends that nobody can change: it starts or continues the trace, records what it
// took in and what it asked, and names the trace to the page. Spans go to the
// TracerProvider that it is given.
package proxy
