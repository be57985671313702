package ingest

import (
	"testing"

	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/throughline-rum/throughline/server/internal/model"
)

// spanOf returns the entry span that the attributes make.
func spanOf(t testing.TB, attributes map[string]any, change func(ptrace.Span)) model.Span {
	t.Helper()
	export := oneSpan(func(s ptrace.Span) {
		if err := s.Attributes().FromRaw(attributes); err != nil {
			t.Fatal(err)
		}
		if change != nil {
			change(s)
		}
	})
	var d traceDecoder
	spans, err := d.decode(nil, protoOf(t, export), received)
	if err != nil || len(spans) != 1 {
		t.Fatalf("%d spans, %v", len(spans), err)
	}
	return spans[0]
}

func TestHostOfURL(t *testing.T) {
	for url, want := range map[string]string{
		"https://Shop.Example/a":          "shop.example",
		"https://shop.example:443/":       "shop.example",
		"https://shop.example:80/":        "shop.example:80",
		"http://shop.example:80?x":        "shop.example",
		"HTTP://shop.example:8080#x":      "shop.example:8080",
		"https://u:p@shop.example/":       "shop.example",
		"https://shop.example./":          "shop.example",
		"http://[::1]:8080/":              "[::1]:8080",
		"http://[::1]/":                   "[::1]",
		"http://127.0.0.1:4000":           "127.0.0.1:4000",
		"wss://shop.example/socket":       "shop.example",
		"data:text/plain,x":               "",
		"about:blank":                     "",
		"custom://shop.example/":          "",
		"https://":                        "",
		"https://shop.example:99999/":     "",
		"https://shop.example\r\nX: y/":   "",
		"https://shop.example<script>/":   "",
		"https://xn--bcher-kva.example/":  "xn--bcher-kva.example",
		"https://b\u00fccher.example/cat": "b\u00fccher.example",
	} {
		if got := hostOfURL(url); got != want {
			t.Errorf("hostOfURL(%q) = %q, want %q", url, got, want)
		}
		for _, before := range []string{"https://shop.example", "https://shop.example/", "http://127.0.0.1:4000/a", url, url + "0", "about:blank"} {
			var m hostMemo
			m.of(before)
			for _, url := range []string{url, url + "/", url + "?a", url + "0"} {
				if got, want := m.of(url), hostOfURL(url); got != want {
					t.Errorf("after %q: the host of %q is %q, want %q", before, url, got, want)
				}
			}
		}
	}
}

func TestHostOfServer(t *testing.T) {
	type attributes = map[string]any
	for name, test := range map[string]struct {
		attributes attributes
		want       string
	}{
		"semantic conventions":         {attributes{"http.request.method": "GET", "server.address": "Shop.example", "server.port": int64(8443)}, "shop.example:8443"},
		"https port":                   {attributes{"url.scheme": "https", "server.address": "shop.example", "server.port": int64(443)}, "shop.example"},
		"http behind a proxy with TLS": {attributes{"url.scheme": "http", "server.address": "shop.example", "server.port": int64(443)}, "shop.example"},
		"port as text":                 {attributes{"http.method": "GET", "net.host.name": "shop.example", "net.host.port": "8080"}, "shop.example:8080"},
		"address with port":            {attributes{"http.request.method": "GET", "server.address": "127.0.0.1:4000"}, "127.0.0.1:4000"},
		"v6 address":                   {attributes{"http.request.method": "GET", "server.address": "::1", "server.port": int64(4000)}, "[::1]:4000"},
		"old host header":              {attributes{"http.host": "shop.example:8080", "net.host.name": "pod-7"}, "shop.example:8080"},
		"old name":                     {attributes{"http.scheme": "http", "net.host.name": "shop.example", "net.host.port": int64(80)}, "shop.example"},
		"url only":                     {attributes{"http.url": "https://shop.example/cart"}, "shop.example"},
		"nothing":                      {attributes{"http.request.method": "GET"}, ""},
		"not HTTP":                     {attributes{"rpc.system": "grpc", "server.address": "shop.example"}, ""},
		"url.full":                     {attributes{"url.full": "https://shop.example:8443/cart"}, "shop.example:8443"},
		"server name":                  {attributes{"http.method": "GET", "http.server_name": "Shop.example"}, "shop.example"},
		"authority":                    {attributes{"http.request.method": "POST", "http.request.header.:authority": []any{"shop.example:8443"}, "net.host.name": "pod-7"}, "shop.example:8443"},
		"host header":                  {attributes{"http.request.method": "POST", "http.request.header.host": []any{"shop.example:8443"}}, "shop.example:8443"},
		"of the wrong type":            {attributes{"http.request.method": "GET", "server.address": int64(1)}, ""},
		"absurd port":                  {attributes{"http.request.method": "GET", "server.address": "shop.example", "server.port": int64(70000)}, "shop.example"},
	} {
		if got := spanOf(t, test.attributes, nil).Host; got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}
