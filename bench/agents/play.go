package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// What this program is when it is started as a process to be measured, or beside one.
const (
	roleUpstream = "upstream" // the backend, and where spans and beacons go
	roleBare     = "bare"     // httputil.ReverseProxy and nothing else
)

// jsonBody is 1 KB of JSON.
var jsonBody = `{"items":["` + strings.Repeat("x", 1000) + `"]}`

// page is an HTML document of 10 KB, as templates write them.
var page = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width">
    <title>Shop</title>
    <link rel="stylesheet" href="/style.css">
  </head>
  <body>
` + strings.Repeat("    <p class=\"row\">One of many rows of this page, with <a href=\"/a\">a link</a>.</p>\n", 120) + `  </body>
</html>
`

// streamBytes is the size of the long document.
const streamBytes = 10 << 20

// play serves until ctx ends, and says where.
func play(ctx context.Context, args []string, stdout io.Writer) error {
	var handler http.Handler
	switch {
	case args[0] == roleUpstream:
		handler = upstream()
	case len(args) == 2:
		target, err := url.Parse(args[1])
		if err != nil {
			return err
		}
		handler = &httputil.ReverseProxy{
			Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target); r.SetXForwarded() },
			Transport: &http.Transport{MaxIdleConnsPerHost: 256, DisableCompression: true},
		}
	default:
		return errors.New("bare needs the URL of its upstream")
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if _, err := fmt.Fprintf(stdout, "http://%s\n", listener.Addr()); err != nil {
		return err
	}
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func upstream() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, jsonBody)
	})
	mux.HandleFunc("GET /page", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Length", strconv.Itoa(len(page)))
		_, _ = io.WriteString(w, page)
	})
	mux.HandleFunc("GET /stream", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		stream(w)
	})
	mux.HandleFunc("POST /v1/traces", func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
	return mux
}

// stream writes a long document, whose beginning comes by itself.
func stream(w http.ResponseWriter) {
	_, _ = io.WriteString(w, page[:512])
	_ = http.NewResponseController(w).Flush()
	for sent := 512; sent < streamBytes; sent += len(page) {
		_, _ = io.WriteString(w, page)
	}
}
