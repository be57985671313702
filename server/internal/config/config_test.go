package config_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"github.com/throughline-rum/throughline/server/internal/config"
)

func usable() config.Serve {
	return config.Serve{
		Listen: "127.0.0.1:0", OTLPHTTP: "[::1]:4318", OTLPGRPC: "localhost:4317",
		Data: "data", MemoryLimit: 512, Tenant: "2ead957c-980df25b",
		LinkWait: time.Minute, LinkInterval: time.Second, Journal: config.Journal{Budget: 2048},
	}
}

func TestCheckNamesTheSettingAndTheWayOut(t *testing.T) {
	good := usable()
	if err := good.Check(); err != nil {
		t.Fatalf("Check() = %v for usable settings", err)
	}
	for _, c := range []struct {
		setting string
		spoil   func(*config.Serve)
	}{
		{"listen", func(c *config.Serve) { c.Listen = "8318" }},
		{"otlp-http", func(c *config.Serve) { c.OTLPHTTP = "" }},
		{"otlp-grpc", func(c *config.Serve) { c.OTLPGRPC = "::1:2" }},
		{"data", func(c *config.Serve) { c.Data = "" }},
		{"memory-limit", func(c *config.Serve) { c.MemoryLimit = 1 }},
		{"tenant", func(c *config.Serve) { c.Tenant = "2EAD957C-980df25b" }},
		{"link-wait", func(c *config.Serve) { c.LinkWait = 0 }},
		{"link-interval", func(c *config.Serve) { c.LinkInterval = time.Nanosecond }},
		{"journal-budget", func(c *config.Serve) { c.Journal.Budget = 63 }},
		{"journal-budget", func(c *config.Serve) { c.Journal.Budget = math.MaxInt }},
		{"retention-requests", func(c *config.Serve) { c.Retention.Requests = 1 }},
		{"retention-navigations", func(c *config.Serve) { c.Retention.Navigations = -1 }},
		{"retention-errors", func(c *config.Serve) { c.Retention.Errors = math.MaxInt64 }},
		{"retention-spans", func(c *config.Serve) { c.Retention.Spans = config.Period(time.Minute) }},
		{"beacon-rate", func(c *config.Serve) { c.BeaconRate = -1 }},
		{"beacon-rate", func(c *config.Serve) { c.BeaconRate = math.NaN() }},
		{"beacon-burst", func(c *config.Serve) { c.BeaconRate = 1 }},
		{"application-rate", func(c *config.Serve) { c.ApplicationRate = math.Inf(1) }},
		{"application-burst", func(c *config.Serve) { c.ApplicationRate = 1 }},
		{"listen", func(c *config.Serve) { c.Listen = ":8318"; c.Tokens.Ingest = config.Secrets{"x"} }},
		{"otlp-http", func(c *config.Serve) { c.OTLPHTTP = "192.0.2.1:4318"; c.Tokens.API = config.Secrets{"x"} }},
		{"otlp-grpc", func(c *config.Serve) { c.OTLPGRPC = "[::]:4317" }},
		{"otlp-grpc", func(c *config.Serve) { c.OTLPGRPC = "localhost.example:4317" }},
	} {
		t.Run(c.setting, func(t *testing.T) {
			spoiled := usable()
			c.spoil(&spoiled)
			bad, ok := errors.AsType[*config.Error](spoiled.Check())
			if !ok {
				t.Fatalf("Check() = %v, want a *config.Error", spoiled.Check())
			}
			if bad.Setting != c.setting || bad.Hint == "" {
				t.Errorf("the error names %q with hint %q, want %q and a hint", bad.Setting, bad.Hint, c.setting)
			}
		})
	}
}

func TestOtherMachinesNeedAToken(t *testing.T) {
	open := usable()
	open.Listen, open.OTLPHTTP, open.OTLPGRPC = ":8318", "0.0.0.0:4318", "[::]:4317"
	err := open.Check()
	for _, way := range []string{"tokens.api", "THROUGHLINE_TOKENS_API", "127.0.0.1", "--insecure-no-auth"} {
		if err == nil || !strings.Contains(err.Error(), way) {
			t.Errorf("Check() = %v, want %s as a way out", err, way)
		}
	}
	insecure := open
	insecure.InsecureNoAuth = true
	if err := insecure.Check(); err != nil {
		t.Errorf("with --insecure-no-auth: %v", err)
	}
	open.Tokens = config.Tokens{API: config.Secrets{"a"}, Ingest: config.Secrets{"b"}}
	if err := open.Check(); err != nil {
		t.Errorf("with tokens: %v", err)
	}
}

// nothing is a command line and an environment in which nothing is set.
var nothing = config.CommandLine{
	Given:     func(string) bool { return false },
	LookupEnv: func(string) (string, bool) { return "", false },
}

func write(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "throughline.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func load(t *testing.T, text string) (*config.Loaded, error) {
	t.Helper()
	c := usable()
	c.ConfigFile = write(t, text)
	return config.Load(c, nothing)
}

const full = `# everything of every type
listen: 127.0.0.1:9000
memory_limit: 2048
link_wait: 90s
beacon_rate: 0.5
beacon_burst: 7
insecure_no_auth: true
journal: {budget: 512}
retention:
  spans: 7d
  errors: 0
trusted_proxies:
  - 10.0.0.0/8
  - 192.0.2.7
applications:
  - id: 745a78fe5b6e57f6
    name: Shop
    origins: [https://shop.example, "https://*.shop.example"]
  - id: 0123456789012345
    no_origin: true
tokens: {ingest: [ingest-0123456789abcdef], api: [api-0123456789abcdef]}
`

func TestFileHoldsEveryType(t *testing.T) {
	l, err := load(t, full)
	if err != nil {
		t.Fatal(err)
	}
	want := usable()
	want.ConfigFile = l.ConfigFile
	want.Listen, want.MemoryLimit, want.LinkWait, want.BeaconRate, want.BeaconBurst, want.InsecureNoAuth = "127.0.0.1:9000", 2048, 90*time.Second, 0.5, 7, true
	want.Journal.Budget = 512
	want.Retention.Spans = config.Period(7 * 24 * time.Hour)
	want.TrustedProxies = []string{"10.0.0.0/8", "192.0.2.7"}
	want.Applications = []config.Application{
		{ID: "745a78fe5b6e57f6", Name: "Shop", Origins: []string{"https://shop.example", "https://*.shop.example"}},
		{ID: "0123456789012345", NoOrigin: true},
	}
	want.Tokens = config.Tokens{Ingest: config.Secrets{"ingest-0123456789abcdef"}, API: config.Secrets{"api-0123456789abcdef"}}
	if !reflect.DeepEqual(l.Serve, want) {
		t.Errorf("read %+v\nwant %+v", l.Serve, want)
	}
	if l.Source("listen") != config.FromFile || l.Source("data") != config.FromDefault {
		t.Errorf("listen comes from %s, data from %s", l.Source("listen"), l.Source("data"))
	}
}

func TestEmptyFilesSetNothing(t *testing.T) {
	for _, text := range []string{"", "\n", "# nothing\n", "---\n", "{}", "listen:\ntokens:\napplications: ~\n"} {
		l, err := load(t, text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		want := usable()
		want.ConfigFile = l.ConfigFile
		if !reflect.DeepEqual(l.Serve, want) {
			t.Errorf("%q sets %+v", text, l.Serve)
		}
	}
}

func TestFaultsNameTheLineAndTheWayOut(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"unknown key", "data: x\nlisten_addr: y\n", ":2: listen_addr: there is no such key (the keys here are listen, otlp_http"},
		{"near key", "data: x\nlinkwait: 2m\n", ":2: linkwait: there is no such key (did you mean link_wait?)"},
		{"flag's name", "otlp-http: x\n", ":1: otlp-http: there is no such key (did you mean otlp_http?)"},
		{"nested key", "applications:\n  - id: 745a78fe5b6e57f6\n    origin: [x]\n", ":3: applications[0].origin: there is no such key (did you mean origins?)"},
		{"twice", "data: x\n\ndata: y\n", ":3"},
		{"no duration", "link_wait: 30\n", ":1: link_wait: this is no duration (write a number and its unit"},
		{"no period", "retention:\n  spans: 30\n", ":2: retention.spans: this is no duration (write a number and its unit"},
		{"period out of range", "retention:\n  errors: 30m\n", ":2: retention.errors: 30m0s is out of range"},
		{"kind that is not kept", "retention: {traces: 1d}\n", ":1: retention.traces: there is no such key (the keys here are requests"},
		{"no whole number", "memory_limit: 1.5\n", ":1: memory_limit: this is no whole number"},
		{"no number", "beacon_rate: many\n", ":1: beacon_rate: this is no number"},
		{"no bool", "insecure_no_auth: yes\n", ":1: insecure_no_auth: this is neither true nor false"},
		{"no list", "trusted_proxies: 10.0.0.0/8\n", ":1: trusted_proxies: this is a list"},
		{"list", "listen: [a]\n", ":1: listen: this is one value"},
		{"no keys", "- listen\n", ":1: here stand keys"},
		{"tokens as a list", "data: x\ntokens: [a]\n", ":2: tokens: here stand keys"},
		{"not YAML", "data: x\nlisten: [a\n", "write YAML"},
		{"tabs", "data: x\ntokens:\n\tapi: []\n", ":3"},
		{"two documents", "data: x\n---\ndata: y\n", "write YAML"},
		{"alias to itself", "tokens: &a\n  api: [*a]\n", "throughline.yaml"},
		{"merge", "tokens: {<<: {api: [x]}}\n", "there is no such key"},
		{"value out of range", "data: x\nlink_wait: -1s\n", ":2: link_wait: -1s is out of range"},
		{"exposed", "data: x\nlisten: 0.0.0.0:8318\n", ":2: listen: at 0.0.0.0:8318 other machines could"},
		{"missing token file", "tokens:\n  api_file: /nowhere/token\n", ":2: tokens.api_file: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := load(t, c.text)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "throughline.yaml") {
				t.Errorf("error %v\nwant %q", err, c.want)
			}
		})
	}
	c := usable()
	c.ConfigFile = filepath.Join(t.TempDir(), "none.yaml")
	if _, err := config.Load(c, nothing); err == nil || !strings.Contains(err.Error(), "--config") {
		t.Errorf("a file that is not there: %v", err)
	}
	c.ConfigFile = write(t, "#"+strings.Repeat(" ", 1<<20))
	if _, err := config.Load(c, nothing); err == nil || !strings.Contains(err.Error(), "larger") {
		t.Errorf("a file that is too large: %v", err)
	}
}

func TestPrecedence(t *testing.T) {
	c := usable() // as the command line parser leaves it
	c.ConfigFile = write(t, "listen: 127.0.0.1:1\ndata: from-file\nmemory_limit: 300\ntokens: {api: [from-file-0123456789], ingest: [from-file-0123456789]}\n")
	c.Listen, c.Data = "127.0.0.1:2", "from-env"
	l, err := config.Load(c, config.CommandLine{
		Given: func(flag string) bool { return flag == "listen" },
		LookupEnv: func(name string) (string, bool) {
			v, ok := map[string]string{
				"THROUGHLINE_LISTEN": "127.0.0.1:3", "THROUGHLINE_DATA": "from-env",
				"THROUGHLINE_TOKENS_API": "from-env-0123456789, second-0123456789,",
			}[name]
			return v, ok
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]config.Source{
		"listen": config.FromFlag, "data": config.FromEnvironment, "memory_limit": config.FromFile, "link_wait": config.FromDefault,
		"tokens.api": config.FromEnvironment, "tokens.ingest": config.FromFile,
	} {
		if got := l.Source(key); got != want {
			t.Errorf("%s comes from %s, want %s", key, got, want)
		}
	}
	if l.Listen != "127.0.0.1:2" || l.Data != "from-env" || l.MemoryLimit != 300 {
		t.Errorf("read %+v", l.Serve)
	}
	if want := (config.Secrets{"from-env-0123456789", "second-0123456789"}); !reflect.DeepEqual(l.Tokens.API, want) {
		t.Errorf("the API's tokens are %q", []string(l.Tokens.API))
	}
}

// A variable that is there and empty must not open what the file closes.
func TestEmptyVariablesTakeNoTokenAway(t *testing.T) {
	c := usable()
	c.ConfigFile = write(t, "tokens: {api: [from-file-0123456789]}\n")
	l, err := config.Load(c, config.CommandLine{Given: nothing.Given, LookupEnv: func(name string) (string, bool) { return "", name == "THROUGHLINE_TOKENS_API" }})
	if err != nil || len(l.Tokens.API) != 1 || l.Source("tokens.api") != config.FromFile {
		t.Errorf("%d tokens from %s, error %v", len(l.Tokens.API), l.Source("tokens.api"), err)
	}
}

func TestTokensFromFiles(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(file, []byte("# the collector's\nfirst-0123456789ab\n\n  second-0123456789\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := load(t, "tokens:\n  ingest: [zeroth-0123456789]\n  ingest_file: "+file+"\n")
	if err != nil {
		t.Fatal(err)
	}
	if want := (config.Secrets{"zeroth-0123456789", "first-0123456789ab", "second-0123456789"}); !reflect.DeepEqual(l.Tokens.Ingest, want) {
		t.Errorf("the tokens are %q", []string(l.Tokens.Ingest))
	}
	if err := os.WriteFile(file, []byte("# none\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := load(t, "tokens:\n  ingest_file: "+file+"\n"); err == nil || !strings.Contains(err.Error(), "no token") {
		t.Errorf("a file without tokens: %v", err)
	}
}

// What Print writes can be read again, and then prints and means the same, but
// for the tokens.
func TestPrintRoundTrip(t *testing.T) {
	first, err := load(t, full)
	if err != nil {
		t.Fatal(err)
	}
	var printed bytes.Buffer
	if err := first.Print(&printed); err != nil {
		t.Fatal(err)
	}
	for _, token := range append(first.Tokens.API, first.Tokens.Ingest...) {
		if strings.Contains(printed.String(), token) {
			t.Errorf("a token is printed:\n%s", &printed)
		}
	}
	for _, want := range []string{"listen: \"127.0.0.1:9000\" # file, line 2\n", "data: \"data\" # default\n",
		"journal:\n  # Disk that", "  budget: 512 # file, line 8\n", "  spans: 7d # file, line 10\n", "\n  # ingest: [] # file, line 21; 1 with those of ingest_file, not shown: set them again\n", "\n  # api: [] #"} {
		if !strings.Contains(printed.String(), want) {
			t.Errorf("%q is not printed:\n%s", want, &printed)
		}
	}
	second, err := load(t, printed.String())
	if err != nil {
		t.Fatalf("%v\n%s", err, &printed)
	}
	first.Tokens, first.ConfigFile, second.ConfigFile = config.Tokens{}, "", ""
	first.Applications[1].Origins = []string{} // as it is printed
	second.Tokens.API, second.Tokens.Ingest = nil, nil
	if !reflect.DeepEqual(first.Serve, second.Serve) {
		t.Errorf("read again it is %+v\nwant %+v", second.Serve, first.Serve)
	}
}

func TestSecretsAreNotShown(t *testing.T) {
	c := usable()
	c.Tokens.API = config.Secrets{"api-0123456789abcdef"}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("start", "tokens", c.Tokens.API, "config", c)
	all := fmt.Sprintf("%v %+v %#v %s", c, c, c, c.Tokens.API) + log.String()
	if strings.Contains(all, "0123456789abcdef") {
		t.Errorf("a token is shown: %s", all)
	}
}

// The tags say what the parser of the command line does.
func TestSettingsAreTheFlags(t *testing.T) {
	var c config.Serve
	parser, err := kong.New(&c, kong.Vars{"tenant": "2ead957c-980df25b"})
	if err != nil {
		t.Fatal(err)
	}
	flags := map[string]*kong.Flag{}
	for _, f := range parser.Model.Flags {
		flags[f.Name] = f
	}
	delete(flags, "help")
	delete(flags, "config")
	for _, s := range config.Settings() {
		if s.Help == "" || s.Env == "" && s.Key != "applications" {
			t.Errorf("%+v lacks a help text or a variable", s)
		}
		if s.Env != "" && s.Env != "THROUGHLINE_"+strings.ToUpper(strings.ReplaceAll(s.Key, ".", "_")) {
			t.Errorf("%s has the variable %s", s.Key, s.Env)
		}
		if s.Flag == "" {
			continue
		}
		if f := flags[s.Flag]; f == nil {
			t.Errorf("%s should have the flag %s", s.Key, s.Flag)
		}
		delete(flags, s.Flag)
	}
	for name := range flags {
		t.Errorf("the flag %s is no setting", name)
	}
}

// The reference names every setting: its key, flag, variable and default.
func TestReferenceNamesEverySetting(t *testing.T) {
	text, err := os.ReadFile("../../../docs/operate.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if cells := strings.Split(line, "|"); len(cells) > 5 {
			rows[strings.Trim(cells[1], " `")] = line
		}
	}
	for _, s := range config.Settings() {
		row, ok := rows[s.Key]
		if !ok {
			t.Errorf("docs/operate.md has no row for %s", s.Key)
			continue
		}
		want := []string{s.Env}
		if s.Flag != "" {
			want = append(want, "`--"+s.Flag+"`")
		}
		if s.Default != "" && !strings.HasPrefix(s.Default, "$") {
			want = append(want, "`"+s.Default+"`")
		}
		for _, w := range want {
			if !strings.Contains(row, w) {
				t.Errorf("the row of %s does not name %s: %s", s.Key, w, row)
			}
		}
	}
}
