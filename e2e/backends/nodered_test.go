package backends

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"golang.org/x/net/websocket"
)

// nodered starts Node-RED as it is published, without flows, and returns its origin.
func nodered(t *testing.T) string {
	t.Helper()
	dir := testdata(t, "nodered")
	return start(t, command{
		dir:   dir,
		ready: listening,
		args:  []string{"node", "node_modules/node-red/red.js", "--settings", "settings.cjs", "--userDir", t.TempDir()},
	})[0]
}

// deploy puts the test's flows into Node-RED, as its editor does, and returns the
// revision that they become.
func deploy(t *testing.T, origin string) string {
	t.Helper()
	flows, err := os.ReadFile(testdata(t, "nodered", "flows.json"))
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, origin+"/flows", strings.NewReader(fmt.Sprintf(`{"flows":%s}`, flows)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Node-RED-API-Version", "v2")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var deployed struct {
		Revision string `json:"rev"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&deployed); err != nil || deployed.Revision == "" {
		t.Fatalf("the deployment was answered %s, %v", resp.Status, err)
	}
	return deployed.Revision
}

// flowWork is what Node-RED is for, and how it went.
type flowWork struct {
	Editor  string // the editor's title
	Script  int    // bytes of its script
	Version string // by its API
	Told    bool   // the editor's WebSocket told of the deployment
	Flow    string // what the deployed flow answers, without the origin
	Nodes   int    // that the API has afterwards
}

// workInNodeRED does what Node-RED is for.
func workInNodeRED(t *testing.T, origin string) flowWork {
	t.Helper()
	var w flowWork
	c := newClient(t, origin)
	if _, after, ok := strings.Cut(c.get(t, "/").body, "<title>"); ok {
		w.Editor, _, _ = strings.Cut(after, "</title>")
	}
	w.Script = len(c.get(t, "/red/red.min.js").body)
	var settings struct {
		Version string `json:"version"`
	}
	if err := json.Unmarshal([]byte(c.get(t, "/settings").body), &settings); err != nil {
		t.Fatal(err)
	}
	w.Version = settings.Version

	comms, err := websocket.Dial(strings.Replace(origin, "http", "ws", 1)+"/comms", "", origin)
	if err != nil {
		t.Fatalf("WebSocket: %v", err)
	}
	defer comms.Close()
	if err := comms.SetDeadline(time.Now().Add(startPatience)); err != nil {
		t.Fatal(err)
	}
	if err := websocket.JSON.Send(comms, map[string]string{"subscribe": "notification/#"}); err != nil {
		t.Fatal(err)
	}
	revision := deploy(t, origin)
	for !w.Told { // flows start after the deployment was answered
		var messages []struct {
			Topic string `json:"topic"`
			Data  struct {
				Revision string `json:"revision"`
			} `json:"data"`
		}
		if err := websocket.JSON.Receive(comms, &messages); err != nil {
			t.Fatalf("the WebSocket did not tell of the deployment: %v", err)
		}
		for _, m := range messages {
			w.Told = w.Told || m.Topic == "notification/runtime-deploy" && m.Data.Revision == revision
		}
	}
	w.Flow = strings.Replace(fmt.Sprint(c.get(t, "/stock/42")), origin, "<origin>", 1)
	var nodes []json.RawMessage
	if err := json.Unmarshal([]byte(c.get(t, "/flows").body), &nodes); err != nil {
		t.Fatal(err)
	}
	w.Nodes = len(nodes)
	return w
}

// TestNodeREDWorksAsWithoutTheProxy: an application of Node.js that nobody
// changed does the same behind the proxy, its WebSocket included.
func TestNodeREDWorksAsWithoutTheProxy(t *testing.T) {
	direct := workInNodeRED(t, nodered(t))
	if direct.Editor != "Node-RED" || direct.Script == 0 || !strings.Contains(direct.Flow, `"quantity":7,"url":"<origin>/stock/42"`) {
		t.Fatalf("Node-RED by itself does not work: %+v", direct)
	}
	r := serve(t)
	r.behind(t, nodered(t))
	if behind := workInNodeRED(t, r.proxy); !reflect.DeepEqual(behind, direct) {
		t.Errorf("behind the proxy\n%+v\nwithout it\n%+v", behind, direct)
	}
}

// TestNodeREDLinks opens the editor and a page of a flow in a browser; all that
// Node-RED answered is linked exactly, and the editor's WebSocket is told of a deployment.
func TestNodeREDLinks(t *testing.T) {
	r := serve(t)
	r.behind(t, nodered(t))
	v := newVisit(t, r.proxy)
	v.do(t, "open the editor", chromedp.Navigate(r.proxy+"/"), chromedp.WaitVisible(chromedp.CSS(`.red-ui-palette-node[data-palette-type="http in"]`)))
	v.do(t, "be told of a deployment by WebSocket", v.received(deploy(t, r.proxy)))
	v.do(t, "open a page of the flow", v.leaving(chromedp.Navigate(r.proxy+"/shop")), chromedp.WaitReady(chromedp.CSS("output:not(:empty)")))
	v.leave(t)

	kinds := map[string]int{}
	for _, q := range r.verdicts(t, v) {
		if q.LinkReason == "exact" {
			kinds[suffixed(q)]++
		}
	}
	if kinds["document"] < 2 || kinds["red.min.js"] == 0 || kinds["style.min.css"] == 0 || kinds["xhr"] == 0 || kinds["fetch"] == 0 {
		t.Errorf("linked exactly are %v, want two documents, a script, a style, XHR and fetch among them", kinds)
	}
}
