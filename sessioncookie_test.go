package throughline_test

import (
	"cmp"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"testing"

	"go.opentelemetry.io/otel/trace"

	"github.com/throughline-rum/throughline"
	"github.com/throughline-rum/throughline/wire/servertiming"
)

const (
	instanceID = "1777270045450K7QJCFPI7NLPJ913DJBJK2MLMAS2UG2F"
	sessionID  = "VAELUWHBCWKLNEOKJHEPMSKMITTKOBUT-0"
)

// Which variant of frontend.link a span has, by what came and what went out.
func TestFrontendLinkVariants(t *testing.T) {
	session := map[string]string{
		"frontend.link.session.id":      sessionID,
		"frontend.link.rum.instance.id": instanceID,
	}
	with := func(m map[string]string, key, value string) map[string]string {
		m = maps.Clone(m)
		m[key] = value
		return m
	}
	candidate := func(m map[string]string) map[string]string {
		return with(m, "frontend.link.is_linking_candidate", "true")
	}
	ours := "shop-session=" + instanceID + "." + sessionID
	for _, tt := range []struct {
		name       string
		tracestate string
		cookies    []string // each a Cookie field
		entries    servertiming.Entries
		status     int
		want       map[string]string
	}{
		{name: "TraceContext", tracestate: dtrMember, want: with(session, "frontend.link.span.id", "97039bf817c8584a")},
		{name: "TraceContext wins over the cookie", tracestate: dtrMember, cookies: []string{ours}, want: with(session, "frontend.link.span.id", "97039bf817c8584a")},
		{name: "Server-Timing and cookie", cookies: []string{ours}, want: candidate(session)},
		{name: "cookie among others", cookies: []string{"a=b; " + ours + "; c=d"}, want: candidate(session)},
		{name: "cookie in the second field, as HTTP/2 may split them", cookies: []string{"a=b", ours}, want: candidate(session)},
		{name: "cookie alone, no entries", cookies: []string{ours}, entries: servertiming.NoEntries, want: session},
		{name: "cookie alone, switched protocols", cookies: []string{ours}, status: http.StatusSwitchingProtocols, want: session},
		{name: "Server-Timing alone", want: candidate(map[string]string{})},
		{name: "a cookie of another name", cookies: []string{"session=" + instanceID + "." + sessionID}, want: candidate(map[string]string{})},
		{name: "a malformed cookie", cookies: []string{"shop-session=" + sessionID}, want: candidate(map[string]string{})},
		{name: "a malformed cookie of a longer path", cookies: []string{"shop-session=x; " + ours}, want: candidate(session)},
		{name: "neither", entries: servertiming.NoEntries, want: map[string]string{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			span := &testSpan{sc: spanContext(t, trace.FlagsSampled, tt.tracestate)}
			m := throughline.Middleware{
				SessionCookie: throughline.SessionCookie{Name: "shop-session"},
				Entries:       tt.entries,
			}
			h := traced(span, m.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(cmp.Or(tt.status, http.StatusOK))
			})))
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
			for _, field := range tt.cookies {
				r.Header.Add("Cookie", field)
			}
			h.ServeHTTP(httptest.NewRecorder(), r)
			if got := span.recorded(); !maps.Equal(got, tt.want) {
				t.Errorf("attributes = %v, want %v", got, tt.want)
			}
		})
	}
}

// A session cookie is not read where none is configured.
func TestNoSessionCookie(t *testing.T) {
	span := &testSpan{sc: spanContext(t, trace.FlagsSampled, "")}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	r.Header.Set("Cookie", "="+instanceID+"."+sessionID)
	traced(span, throughline.Wrap(hello)).ServeHTTP(httptest.NewRecorder(), r)
	if got := span.recorded(); len(got) != 1 || got["frontend.link.is_linking_candidate"] != "true" {
		t.Errorf("attributes = %v", got)
	}
}

func TestSessionCookie(t *testing.T) {
	for _, tt := range []struct {
		cookie throughline.SessionCookie
		text   string
		bad    bool
	}{
		{cookie: throughline.SessionCookie{}},
		{cookie: throughline.SessionCookie{Name: "s"}, text: "s"},
		{cookie: throughline.SessionCookie{Name: "s", Path: "/shop"}, text: "s; Path=/shop"},
		{cookie: throughline.SessionCookie{Name: "s", Domain: "shop.example"}, text: "s; Domain=shop.example"},
		{cookie: throughline.SessionCookie{Name: "s", Path: "/", Domain: "shop.example"}, text: "s; Path=/; Domain=shop.example"},
		{cookie: throughline.SessionCookie{Name: "s t"}, bad: true},
		{cookie: throughline.SessionCookie{Path: "/"}, bad: true},
		{cookie: throughline.SessionCookie{Name: "s", Path: "shop"}, bad: true},
		{cookie: throughline.SessionCookie{Name: "s", Path: "/a; Secure"}, bad: true},
		{cookie: throughline.SessionCookie{Name: "s", Domain: "a\r\nb"}, bad: true},
	} {
		err := tt.cookie.Validate()
		if tt.bad != (err != nil) || err != nil && !errors.Is(err, throughline.ErrSessionCookie) {
			t.Errorf("%+v: %v", tt.cookie, err)
		}
		if got := tt.cookie.String(); !tt.bad && got != tt.text {
			t.Errorf("%+v is written as %q, want %q", tt.cookie, got, tt.text)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("Wrap takes a malformed cookie")
		}
	}()
	m := throughline.Middleware{SessionCookie: throughline.SessionCookie{Name: "s t"}}
	m.Wrap(hello)
}
