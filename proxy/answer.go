package proxy

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"net"
	"net/http"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/trace"
)

// answer passes on what the upstream answered.
type answer struct{ via string }

func newAnswer(via string) *answer { return &answer{via} }

// modify is [httputil.ReverseProxy.ModifyResponse].
func (a *answer) modify(response *http.Response) error {
	exchangeOf(response.Request.Context()).status = response.StatusCode
	if a.via != "" {
		response.Header["Via"] = append(response.Header["Via"], protocol(response.ProtoMajor, response.ProtoMinor)+" "+a.via)
	}
	return nil
}

//go:embed error.html
var errorHTML string

var errorPage = template.Must(template.New("error").Parse(errorHTML))

// failure is what a client is told of an upstream that does not answer. It says nothing
// of where the upstream is.
type failure struct {
	Status  int
	Title   string
	Text    string
	TraceID string
}

// failures answers for an upstream that does not.
type failures struct{ told func(error) }

func newFailures(told func(error)) *failures { return &failures{told} }

// answer is [httputil.ReverseProxy.ErrorHandler].
func (fs *failures) answer(w http.ResponseWriter, r *http.Request, err error) {
	e := exchangeOf(r.Context())
	f := failure{
		Status: http.StatusBadGateway, Title: "Bad gateway",
		Text: "The application behind this address could not be reached, or its answer could not be read.",
	}
	e.err = "upstream_unreachable"
	var timeout net.Error
	switch {
	case errors.Is(err, context.Canceled) && r.Context().Err() != nil:
		e.status, e.err = statusClientClosed, ""
		w.WriteHeader(http.StatusBadGateway) // nobody reads it
		return
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		f = failure{
			Status: http.StatusGatewayTimeout, Title: "Gateway time-out",
			Text: "The application behind this address did not answer in time.",
		}
		e.err = "timeout"
	case e.status != 0: // it answered what cannot be passed on, as a switch of protocols that nobody asked for
		e.err = "upstream_answer"
	}
	e.status = f.Status
	if fs.told != nil {
		fs.told(err)
	}
	if sc := trace.SpanContextFromContext(r.Context()); sc.HasTraceID() {
		f.TraceID = sc.TraceID().String()
	}
	f.write(w, r)
}

// write answers with a page where a person looks, else with text.
func (f *failure) write(w http.ResponseWriter, r *http.Request) {
	var body bytes.Buffer
	contentType := "text/plain; charset=utf-8"
	if strings.Contains(r.Header.Get("Accept"), "text/html") {
		contentType = "text/html; charset=utf-8"
		if err := errorPage.Execute(&body, f); err != nil {
			panic(err) // the template and its data are ours
		}
	} else {
		fmt.Fprintf(&body, "%d %s: %s\ntrace: %s\n", f.Status, f.Title, f.Text, f.TraceID)
	}
	header := w.Header()
	header.Set("Content-Type", contentType)
	header.Set("Content-Length", strconv.Itoa(body.Len()))
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(f.Status)
	_, _ = body.WriteTo(w)
}
