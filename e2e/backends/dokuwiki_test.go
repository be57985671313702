package backends

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// dokuwiki starts a wiki of its own data on Debian's unpacked package, whose files stay as
// they are, and returns its origin.
func dokuwiki(t *testing.T) string {
	t.Helper()
	unpacked := os.Getenv("DOKUWIKI")
	if unpacked == "" {
		t.Fatal("DOKUWIKI does not name the unpacked package; run: make e2e")
	}
	dir := t.TempDir()
	data, conf, sessions := filepath.Join(dir, "data"), filepath.Join(dir, "conf"), filepath.Join(dir, "sessions")
	if err := os.CopyFS(data, os.DirFS(filepath.Join(unpacked, "var/lib/dokuwiki/data"))); err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{conf, sessions} {
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, from := range []string{filepath.Join(unpacked, "etc/dokuwiki"), testdata(t, "dokuwiki", "conf")} {
		copyFiles(t, from, conf)
	}
	return start(t, command{
		dir: filepath.Join(unpacked, "usr/share/dokuwiki"),
		// Its images are made by PHP, and a page asks for several at once.
		env:   []string{"DOKU_CONF=" + conf + "/", "DOKU_DATA=" + data, "PHP_CLI_SERVER_WORKERS=4"},
		ready: listening,
		args: []string{"php", "-d", "auto_prepend_file=" + testdata(t, "dokuwiki", "prepend.php"), "-d", "session.save_path=" + sessions,
			"-S", "127.0.0.1:0"},
	})[0]
}

// copyFiles copies the regular files of one folder to another.
func copyFiles(t *testing.T, from, to string) {
	t.Helper()
	entries, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue
		}
		content, err := os.ReadFile(filepath.Join(from, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, e.Name()), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// client is a visitor without a browser: it keeps cookies and follows redirects.
type client struct {
	http   http.Client
	origin string
}

func newClient(t *testing.T, origin string) *client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &client{http: http.Client{Jar: jar, Timeout: startPatience}, origin: origin}
}

// answer is what came back, after redirects.
type answer struct {
	status int
	path   string // with query, of the last URL
	kind   string // Content-Type
	body   string
}

func (c *client) do(t *testing.T, method, path, kind string, body io.Reader) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, c.origin+path, body)
	if err != nil {
		t.Fatal(err)
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return answer{resp.StatusCode, resp.Request.URL.RequestURI(), resp.Header.Get("Content-Type"), string(got)}
}

func (c *client) get(t *testing.T, path string) answer {
	t.Helper()
	return c.do(t, http.MethodGet, path, "", http.NoBody)
}

func (c *client) post(t *testing.T, path string, form url.Values) answer {
	t.Helper()
	return c.do(t, http.MethodPost, path, "application/x-www-form-urlencoded", strings.NewReader(form.Encode()))
}

var (
	hiddenInput = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)"`)
	userShown   = regexp.MustCompile(`<bdi>([^<]+)</bdi> \(<bdi>editor</bdi>\)`)
	feedLink    = regexp.MustCompile(`<link>([^<?]+)`)
)

// wikiWork is what DokuWiki is for, and how it went.
type wikiWork struct {
	LoggedIn  string   // the name that the wiki shows
	SavedPath string   // where saving leads to
	Saved     bool     // the page shows what was written, as HTML
	Indexed   string   // what the indexer answers
	Found     bool     // the search leads to the page
	Uploaded  string   // what the wiki says of a file
	FileSame  bool     // the file comes back as it was
	FeedLinks []string // absolute links, without the origin
	Raw       string   // the page's source
	LoggedOut bool     // the same page is not for editing any more
}

// workInWiki does what the wiki is for.
func workInWiki(t *testing.T, origin string) wikiWork {
	t.Helper()
	const (
		page = "/doku.php?id=stock:yarn"
		text = "====== Yarn ======\n\nThe **merino** skein weighs 100 g; grüne Wolle wiegt ebenso viel.\n"
	)
	var w wikiWork
	c := newClient(t, origin)
	if found := userShown.FindStringSubmatch(c.post(t, page, url.Values{"do": {"login"}, "u": {"editor"}, "p": {"merino"}}).body); found != nil {
		w.LoggedIn = found[1]
	}
	form := url.Values{"wikitext": {text}, "summary": {"weights"}, "do[save]": {"Save"}}
	for _, input := range hiddenInput.FindAllStringSubmatch(c.get(t, page+"&do=edit").body, -1) {
		if !form.Has(input[1]) && input[1] != "do" && input[1] != "q" {
			form.Set(input[1], input[2])
		}
	}
	saved := c.post(t, page, form)
	w.SavedPath = saved.path
	w.Saved = strings.Contains(saved.body, "The <strong>merino</strong> skein weighs 100 g; grüne Wolle wiegt ebenso viel.")
	indexed := c.get(t, "/lib/exe/taskrunner.php?id=stock:yarn")
	w.Indexed = fmt.Sprint(indexed.status, " ", indexed.kind)
	w.Found = searchFinds(t, c, "skein", "stock:yarn")

	picture, err := os.ReadFile(filepath.Join(os.Getenv("DOKUWIKI"), "var/lib/dokuwiki/data/media/wiki/dokuwiki-128.png"))
	if err != nil {
		t.Fatal(err)
	}
	uploaded := c.do(t, http.MethodPost, "/lib/exe/ajax.php?"+url.Values{
		"call": {"mediaupload"}, "ns": {"stock"}, "mediaid": {"skein.png"}, "qqfile": {"skein.png"}, "sectok": {form.Get("sectok")},
	}.Encode(), "application/octet-stream", bytes.NewReader(picture))
	w.Uploaded = uploaded.body
	w.FileSame = c.get(t, "/lib/exe/fetch.php?media=stock:skein.png").body == string(picture)

	for _, link := range feedLink.FindAllStringSubmatch(c.get(t, "/feed.php").body, -1) {
		w.FeedLinks = append(w.FeedLinks, strings.Replace(link[1], origin, "<origin>", 1))
	}
	w.Raw = c.get(t, "/doku.php?do=export_raw&id=stock:yarn").body
	c.get(t, page+"&do=logout&sectok="+form.Get("sectok"))
	w.LoggedOut = !strings.Contains(c.get(t, page+"&do=edit").body, "do[save]")
	return w
}

// searchFinds asks until the search finds the page: the indexer answers first and works then.
func searchFinds(t *testing.T, c *client, word, page string) bool {
	t.Helper()
	deadline := time.NewTimer(startPatience)
	defer deadline.Stop()
	ticker := time.NewTicker(verdictInterval)
	defer ticker.Stop()
	for !strings.Contains(c.get(t, "/doku.php?do=search&q="+word).body, `data-wiki-id="`+page+`"`) {
		select {
		case <-ticker.C:
		case <-deadline.C:
			return false
		}
	}
	return true
}

// TestDokuWikiWorksAsWithoutTheProxy: an application of PHP that nobody changed
// does the same behind the proxy, to the letter.
func TestDokuWikiWorksAsWithoutTheProxy(t *testing.T) {
	direct := workInWiki(t, dokuwiki(t))
	if direct.LoggedIn != "Editor" || !direct.Saved || !direct.Found || !direct.FileSame || !direct.LoggedOut || len(direct.FeedLinks) == 0 {
		t.Fatalf("the wiki by itself does not work: %+v", direct)
	}
	r := serve(t)
	r.behind(t, dokuwiki(t))
	if behind := workInWiki(t, r.proxy); !reflect.DeepEqual(behind, direct) {
		t.Errorf("behind the proxy\n%+v\nwithout it\n%+v", behind, direct)
	}
}

// TestDokuWikiLinks reads, searches, logs in and writes in a browser; all that the
// wiki answered is linked exactly.
func TestDokuWikiLinks(t *testing.T) {
	r, wiki := serve(t), dokuwiki(t)
	r.behind(t, wiki)
	indexing := newClient(t, wiki)
	indexing.get(t, "/lib/exe/taskrunner.php?id=wiki:syntax")
	if !searchFinds(t, indexing, "monospaced", "wiki:syntax") {
		t.Fatal("the wiki does not find what it came with")
	}
	v := newVisit(t, r.proxy)
	submit := func(button string) chromedp.Action[chromedp.Void] {
		return v.leaving(chromedp.Click(chromedp.CSS(button), chromedp.NodeVisible))
	}
	v.do(t, "read about the syntax", chromedp.Navigate(r.proxy+"/doku.php?id=wiki:syntax"), chromedp.WaitVisible(chromedp.CSS("#formatting_syntax")))
	v.do(t, "search while typing, by XHR", chromedp.SendKeys(chromedp.CSS("#qsearch__in"), "syntax"), chromedp.WaitVisible(chromedp.CSS("#qsearch__out a")))
	v.do(t, "go to the login", submit(".action.login a"))
	v.do(t, "log in",
		chromedp.SendKeys(chromedp.CSS("#dw__login input[name=u]"), "editor"),
		chromedp.SendKeys(chromedp.CSS("#dw__login input[name=p]"), "merino"),
		submit("#dw__login button[type=submit]"),
		chromedp.WaitVisible(chromedp.CSS(".action.profile")))
	v.do(t, "open the editor of a page", v.leaving(chromedp.Navigate(r.proxy+"/doku.php?id=stock:yarn&do=edit")), chromedp.WaitVisible(chromedp.CSS("#tool__bar button")))
	v.do(t, "write and save", chromedp.SendKeys(chromedp.CSS("#wiki__text"), "A **skein** of {{wiki:dokuwiki-128.png}}"), submit("#edbtn__save"),
		chromedp.WaitVisible(chromedp.CSS("#dokuwiki__content strong")))
	v.do(t, "look at the media", v.leaving(chromedp.Navigate(r.proxy+"/doku.php?id=stock:yarn&do=media&ns=wiki")), chromedp.WaitVisible(chromedp.CSS("#mediamanager__page img")))
	v.leave(t)

	kinds := map[string]int{}
	for _, q := range r.verdicts(t, v) {
		if q.LinkReason == "exact" {
			kinds[suffixed(q)]++
		}
	}
	for _, want := range []string{"document", "css.php", "js.php", "logo.png", "fetch.php", "taskrunner.php", "xhr"} {
		if kinds[want] == 0 {
			t.Errorf("linked exactly are %v, want %s among them", kinds, want)
		}
	}
}

// suffixed names a request by its kind, a resource by its file.
func suffixed(q request) string {
	if q.Kind != "resource" {
		return q.Kind
	}
	u, err := url.Parse(q.URL)
	if err != nil {
		return q.URL
	}
	return filepath.Base(u.Path)
}
