package recipes

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
)

// rig is one recipe: a program, the proxy and an application, chained.
type rig struct {
	program *program
	front   bool // the program is in front of the proxy
	url     string
	// upstream is the address that the program asks.
	upstream string
	client   *http.Client
	app      *application
	spans    *spans

	parents map[string]string // parent-id that reached the application -> trace id
}

// clientAddress is whom the application must see: not that of the chain's members.
const clientAddress = "127.0.0.2"

// startRecipe chains what a guide chains. The section is one of the two places; the
// configuration is that of the section or, with a cache, another.
func startRecipe(t *testing.T, prog *program, section, config string, g guide, of string) *rig {
	t.Helper()
	r := &rig{program: prog, front: section == sectionFront, app: startApplication(t), spans: startSpans(t), parents: map[string]string{}}
	var address string
	if r.front {
		r.upstream = startProxy(t, g, section, r.app.address(), r.spans.server.URL)
		address = prog.start(t, g, of, config, r.upstream)
	} else {
		r.upstream = r.app.address()
		address = startProxy(t, g, section, prog.start(t, g, of, config, r.upstream), r.spans.server.URL)
	}
	r.url = "http://" + address
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(clientAddress)}}
	transport := &http.Transport{DialContext: dialer.DialContext, DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	r.client = &http.Client{Transport: transport, Timeout: patience}
	return r
}

// traceState is what a browser sends: the agent's member, and those of others.
type traceState struct{ traceID, traceparent, tracestate string }

func newContext() traceState {
	var id [24]byte
	_, _ = rand.Read(id[:]) // never fails
	traceID, spanID := hex.EncodeToString(id[:16]), hex.EncodeToString(id[16:])
	return traceState{
		traceID:     traceID,
		traceparent: "00-" + traceID + "-" + spanID + "-03",
		tracestate: "7468726f-75676800@dtr=1;" + spanID + ";1;745a78fe5b6e57f6;" +
			"1777270045450K7QJCFPI7NLPJ913DJBJK2MLMAS2UG2F;VAELUWHBCWKLNEOKJHEPMSKMITTKOBUT-0," +
			"congo=t61rcWkgMzE,fw529a3039@dt=FfC/:*!;x_y",
	}
}

// full adds members until there are 32, with 512 bytes in all.
func (c traceState) full() traceState {
	members := strings.Split(c.tracestate, ",")
	for i := len(members); i < 32; i++ {
		members = append(members, fmt.Sprintf("v%02d=%d", i, i))
	}
	c.tracestate = strings.Join(members, ",")
	c.tracestate += strings.Repeat("z", 512-len(c.tracestate))
	return c
}

func (r *rig) request(t *testing.T, method, path string, c traceState, header http.Header) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, r.url+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "shop.example"
	maps.Copy(req.Header, header)
	req.Header.Set("Traceparent", c.traceparent)
	if req.Header["Tracestate"] == nil {
		req.Header.Set("Tracestate", c.tracestate)
	}
	return req
}

// do sends a request and reads the answer to its end.
func (r *rig) do(t *testing.T, req *http.Request) (*http.Response, string) {
	t.Helper()
	resp, err := r.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

// checkTiming asserts the whole Server-Timing of an answer: what the application told, if
// anything, and then once what the proxy tells of this trace.
func checkTiming(t *testing.T, header http.Header, c traceState, own string) {
	t.Helper()
	var before string
	if own != "" {
		before = regexp.QuoteMeta(own) + ", "
	}
	want := fmt.Sprintf(`^%sdtTrId;desc="%s", dtSInfo;desc="1", dtRpid;desc="-?\d+", trace;desc=00-%s-[0-9a-f]{16}-03, now;dur=\d+(\.\d+)?$`,
		before, c.traceID, c.traceID)
	if got := strings.Join(header.Values("Server-Timing"), ", "); !regexp.MustCompile(want).MatchString(got) {
		t.Errorf("Server-Timing is\n\t%s\nwant\n\t%s", got, want)
	}
}

// checkReceived asserts what reached the application.
func (r *rig) checkReceived(t *testing.T, c traceState) {
	t.Helper()
	got, ok := r.app.request(c.traceID)
	if !ok {
		t.Error("the trace did not reach the application")
		return
	}
	parent := strings.Split(got.header.Get("Traceparent"), "-")
	r.parents[parent[2]] = parent[1]
	if values := got.header["Traceparent"]; len(values) != 1 || parent[3] != "03" || parent[2] == c.traceparent[36:52] {
		t.Errorf("traceparent is %q after %q", values, c.traceparent)
	}
	if state := strings.Join(got.header["Tracestate"], ","); state != c.tracestate {
		t.Errorf("tracestate is\n\t%s\nwant\n\t%s", state, c.tracestate)
	}
	if got.host != "shop.example" {
		t.Errorf("the host is %q", got.host)
	}
	if addresses := strings.Join(got.header["X-Forwarded-For"], ", "); addresses != clientAddress+", 127.0.0.1" {
		t.Errorf("X-Forwarded-For is %q", addresses)
	}
	if scheme := strings.Join(got.header["X-Forwarded-Proto"], ", "); scheme != "http" {
		t.Errorf("X-Forwarded-Proto is %q", scheme)
	}
}

// checkParents asserts that every parent that reached the application is a CLIENT span of
// the proxy, which sends them within a second after their end.
func (r *rig) checkParents(t *testing.T) {
	t.Helper()
	if len(r.parents) == 0 {
		t.Error("no trace reached the application")
	}
	late := time.After(patience)
	for parent, traceID := range r.parents {
		for r.spans.client(parent) != traceID {
			select {
			case <-r.spans.more:
			case <-late:
				t.Fatalf("span %s is of trace %q, want %q", parent, r.spans.client(parent), traceID)
			}
		}
	}
}

func TestRecipes(t *testing.T) {
	t.Parallel()
	for i := range programs {
		prog := &programs[i]
		for _, section := range []string{sectionFront, sectionBehind} {
			t.Run(prog.name+"/"+strings.ReplaceAll(section, " ", "_"), func(t *testing.T) {
				t.Parallel()
				g := readGuide(t, prog.name)
				r := startRecipe(t, prog, section, g.configuration(t, section, section, prog.language), g, section)
				r.answers(t)
				t.Run("events", r.events)
				t.Run("socket", r.socket)
				r.checkParents(t)
			})
		}
	}
}

func (r *rig) answers(t *testing.T) {
	t.Helper()
	split := newContext()
	first, rest, _ := strings.Cut(split.tracestate, ",")
	for _, test := range []struct {
		name, method, path string
		header             http.Header
		context            traceState
		status             int
		allow              string
		broken             bool // the answer is not the application's
	}{
		{name: "page", path: "/"},
		{name: "page with HEAD", method: http.MethodHead, path: "/"},
		{name: "own Timing-Allow-Origin", path: "/image.png", allow: "https://shop.example"},
		{name: "script's request", path: "/stock.json?q=1"},
		{name: "post", method: http.MethodPost, path: "/stock.json"},
		{name: "not modified", path: "/document", header: http.Header{"If-None-Match": {`"1"`}}, status: http.StatusNotModified},
		{name: "large answer header", path: "/large"},
		{name: "large request header", path: "/", header: http.Header{"Cookie": {"c=" + strings.Repeat("x", 6000)}}},
		{name: "compressible", path: "/", header: http.Header{"Accept-Encoding": {"gzip, br"}}},
		{name: "chunks", path: "/chunks"},
		{name: "longest tracestate", path: "/", context: newContext().full()},
		{name: "tracestate in two fields", path: "/", header: http.Header{"Tracestate": {first, rest}}, context: split},
		{name: "error of the application", path: "/failure", status: http.StatusInternalServerError},
		{name: "not found", path: "/missing", status: http.StatusNotFound},
		{name: "application dies", path: "/gone", status: http.StatusBadGateway, broken: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := test.context
			if c.traceID == "" {
				c = newContext()
			}
			method, status, allow, own := test.method, test.status, test.allow, ownTiming
			if method == "" {
				method = http.MethodGet
			}
			if status == 0 {
				status = http.StatusOK
			}
			if allow == "" {
				allow = "*"
			}
			if test.broken {
				own = ""
			}
			resp, _ := r.do(t, r.request(t, method, test.path, c, test.header))
			// Varnish answers for a backend that failed with 503.
			if resp.StatusCode != status && (!test.broken || resp.StatusCode != http.StatusServiceUnavailable) {
				t.Errorf("status %d, want %d", resp.StatusCode, status)
			}
			checkTiming(t, resp.Header, c, own)
			if got := resp.Header.Values("Timing-Allow-Origin"); len(got) != 1 || got[0] != allow {
				t.Errorf("Timing-Allow-Origin is %q, want %q", got, allow)
			}
			r.checkReceived(t, c)
		})
	}
}

// TestHTTP2: browsers ask in HTTP/2 what is in front.
func TestHTTP2(t *testing.T) {
	t.Parallel()
	for i := range programs {
		prog := &programs[i]
		t.Run(prog.name, func(t *testing.T) {
			t.Parallel()
			g := readGuide(t, prog.name)
			config := strings.Replace(g.configuration(t, sectionFront, sectionFront, prog.language), prog.http2[0], prog.http2[1], 1)
			r := startRecipe(t, prog, sectionFront, config, g, sectionFront)
			transport, ok := r.client.Transport.(*http.Transport)
			if !ok {
				t.Fatalf("the client's transport is a %T", r.client.Transport)
			}
			transport.Protocols = new(http.Protocols)
			transport.Protocols.SetUnencryptedHTTP2(true)
			r.answers(t)
			t.Run("events", r.events)
			r.checkParents(t)
			if resp, _ := r.do(t, r.request(t, http.MethodGet, "/", newContext(), nil)); resp.ProtoMajor != 2 {
				t.Errorf("it answered in %s", resp.Proto)
			}
		})
	}
}

// TestSettingsAreNeeded: without a setting of a guide is lost what the guide says.
func TestSettingsAreNeeded(t *testing.T) {
	t.Parallel()
	for i := range programs {
		prog := &programs[i]
		for _, loss := range prog.losses {
			t.Run(prog.name+"/"+loss.setting, func(t *testing.T) {
				t.Parallel()
				g := readGuide(t, prog.name)
				config := without(t, g.configuration(t, loss.section, loss.section, prog.language), loss.setting)
				r := startRecipe(t, prog, loss.section, config, g, loss.section)
				c := newContext()
				header := http.Header{}
				if loss.path == "/socket" {
					header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {webSocketKey}}
				}
				resp, _ := r.do(t, r.request(t, http.MethodGet, loss.path, c, header))
				if resp.StatusCode != loss.status {
					t.Errorf("status %d, want %d", resp.StatusCode, loss.status)
				}
				got, ok := r.app.request(c.traceID)
				if !ok {
					t.Fatal("the trace did not reach the application")
				}
				if loss.host && got.host != r.upstream {
					t.Errorf("the host is %q, want that of the program's upstream, %s", got.host, r.upstream)
				}
				if addresses := strings.Join(got.header["X-Forwarded-For"], ", "); loss.client != "" && addresses != loss.client {
					t.Errorf("X-Forwarded-For is %q, want %q", addresses, loss.client)
				}
			})
		}
	}
}

// without takes a setting out of a configuration.
func without(t *testing.T, config, setting string) string {
	t.Helper()
	if !strings.Contains(config, setting) {
		t.Fatalf("the guide does not show %q", setting)
	}
	return strings.Replace(config, setting, "", 1)
}

// webSocketKey is that of RFC 6455, section 1.3.
const webSocketKey = "dGhlIHNhbXBsZSBub25jZQ=="

// events: the first event comes before the stream ends.
func (r *rig) events(t *testing.T) {
	c := newContext()
	resp, err := r.client.Do(r.request(t, http.MethodGet, "/events", c, nil))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body := bufio.NewReader(resp.Body)
	if line, err := body.ReadString('\n'); line != "data: one\n" {
		t.Fatalf("the first event is %q (%v)", line, err)
	}
	select {
	case r.app.more <- struct{}{}:
	case <-t.Context().Done():
	}
	if rest, err := io.ReadAll(body); string(rest) != "\ndata: two\n\n" {
		t.Errorf("the rest is %q (%v)", rest, err)
	}
	checkTiming(t, resp.Header, c, ownTiming)
	r.checkReceived(t, c)
}

// socket opens a WebSocket and has a text echoed.
func (r *rig) socket(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c := newContext()
	req := r.request(t, http.MethodGet, "/socket", c, http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {webSocketKey},
	}).WithContext(ctx)
	client := &http.Client{Transport: r.client.Transport} // a time-out would hide that the body can be written
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	conn, ok := resp.Body.(io.ReadWriter)
	if resp.StatusCode != http.StatusSwitchingProtocols || resp.Header.Get("Sec-Websocket-Accept") != webSocketAccept(webSocketKey) || !ok {
		t.Fatalf("status %d, header %v", resp.StatusCode, resp.Header)
	}
	for _, text := range []string{"hello", "once more"} {
		if _, err := io.WriteString(conn, text); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(text))
		if _, err := io.ReadFull(conn, got); err != nil || string(got) != text {
			t.Errorf("%q came back as %q (%v)", text, got, err)
		}
	}
	r.checkReceived(t, c)
}

// TestCaches: a stored answer names no trace but that of its own request, and without the
// recipe it does.
func TestCaches(t *testing.T) {
	t.Parallel()
	for i := range programs {
		prog := &programs[i]
		if prog.cache == "" {
			continue
		}
		for _, section := range []string{sectionFront, sectionBehind} {
			t.Run(prog.name+"/"+strings.ReplaceAll(section, " ", "_"), func(t *testing.T) {
				t.Parallel()
				g := readGuide(t, prog.name)
				r := startRecipe(t, prog, section, g.configuration(t, prog.cache, section, prog.language), g, prog.cache)
				path, own := "/assets/style.css", ownTiming
				if prog.firstFieldOnly && r.front {
					path, own = path+"?plain", ""
				}
				header := r.stored(t, path, own)
				for _, stored := range []struct {
					method string
					header http.Header
					status int
				}{
					{http.MethodGet, nil, http.StatusOK},
					{http.MethodHead, nil, http.StatusOK},
					{http.MethodGet, http.Header{"If-None-Match": {header.Get("Etag")}}, http.StatusNotModified},
				} {
					c := newContext()
					resp, _ := r.do(t, r.request(t, stored.method, path, c, stored.header))
					if _, asked := r.app.request(c.traceID); asked || resp.StatusCode != stored.status {
						t.Errorf("%s %v: status %d, the application was asked: %t", stored.method, stored.header, resp.StatusCode, asked)
					}
					r.checkStored(t, resp.Header, c)
				}
				r.checkParents(t)
			})
		}
		t.Run(prog.name+"/without_the_recipe", func(t *testing.T) {
			t.Parallel()
			g := readGuide(t, prog.name)
			config := g.configuration(t, prog.cache, sectionFront, prog.language)
			for _, line := range prog.strip {
				config = without(t, config, line)
			}
			r := startRecipe(t, prog, sectionFront, config, g, prog.cache)
			header := r.stored(t, "/assets/style.css", ownTiming)
			if got := strings.Join(header.Values("Server-Timing"), ", "); !strings.Contains(got, "dtTrId") {
				t.Errorf("a stored answer says %q: the recipe takes off what is not there", got)
			}
		})
	}
}

// stored asks until the answer comes from the store, whose header it returns. Answers of
// the application are checked.
func (r *rig) stored(t *testing.T, path, own string) http.Header {
	t.Helper()
	for range 50 { // some write the store after the answer
		c := newContext()
		resp, body := r.do(t, r.request(t, http.MethodGet, path, c, nil))
		if resp.StatusCode != http.StatusOK || body != "body{}" {
			t.Fatalf("status %d, %q", resp.StatusCode, body)
		}
		if _, asked := r.app.request(c.traceID); !asked {
			return resp.Header
		}
		checkTiming(t, resp.Header, c, own)
		r.checkReceived(t, c)
	}
	t.Fatal("no answer came from the store")
	return nil
}

// checkStored asserts what a stored answer tells: behind the proxy its own trace, in front
// of it none.
func (r *rig) checkStored(t *testing.T, header http.Header, c traceState) {
	t.Helper()
	if !r.front {
		checkTiming(t, header, c, "")
	} else if got := header.Values("Server-Timing"); len(got) != 0 {
		t.Errorf("a stored answer says %q", got)
	}
	if got := header.Values("Timing-Allow-Origin"); len(got) != 1 || got[0] != "*" {
		t.Errorf("Timing-Allow-Origin is %q", got)
	}
}
