package client_test

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"

	"github.com/throughline-rum/throughline/server/internal/client"
)

const chromeOnWindows = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"

func describer(t testing.TB, geoIPFile string) *client.Describer {
	t.Helper()
	d, err := client.NewDescriber(geoIPFile)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// countries writes a small file of countries.
func countries(t testing.TB, databaseType string, of map[string]mmdbtype.DataType) string {
	t.Helper()
	tree, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: databaseType, IncludeReservedNetworks: true})
	if err != nil {
		t.Fatal(err)
	}
	for network, value := range of {
		_, n, err := net.ParseCIDR(network)
		if err != nil {
			t.Fatal(err)
		}
		if err := tree.Insert(n, value); err != nil {
			t.Fatal(err)
		}
	}
	name := filepath.Join(t.TempDir(), "countries.mmdb")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := tree.WriteTo(f); err != nil {
		t.Fatal(err)
	}
	return name
}

func country(code string) mmdbtype.DataType {
	return mmdbtype.Map{"country": mmdbtype.Map{"iso_code": mmdbtype.String(code)}}
}

func TestUserAgents(t *testing.T) {
	d := describer(t, "")
	for agent, want := range map[string]client.Client{
		"": {},
		"Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0": {
			UserAgentName: "Firefox", UserAgentVersion: "153", OSName: "Linux", DeviceType: "desktop"},
		chromeOnWindows: {
			UserAgentName: "Chrome", UserAgentVersion: "141", OSName: "Windows", DeviceType: "desktop"},
		chromeOnWindows + " Edg/141.0.0.0": {
			UserAgentName: "Edge", UserAgentVersion: "141", OSName: "Windows", DeviceType: "desktop"},
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15": {
			UserAgentName: "Safari", UserAgentVersion: "18", OSName: "macOS", DeviceType: "desktop"},
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1": {
			UserAgentName: "Safari", UserAgentVersion: "18", OSName: "iOS", DeviceType: "mobile"},
		"Mozilla/5.0 (iPad; CPU OS 16_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/16.6 Mobile/15E148 Safari/604.1": {
			UserAgentName: "Safari", UserAgentVersion: "16", OSName: "iOS", DeviceType: "tablet"},
		"Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36": {
			UserAgentName: "Chrome", UserAgentVersion: "141", OSName: "Android", DeviceType: "mobile"},
		"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)": {
			DeviceType: "bot"},
	} {
		if got := d.Describe(netip.Addr{}, agent); got != want {
			t.Errorf("%q\nis  %+v\nnot %+v", agent, got, want)
		}
	}
}

func TestAddressesAreMasked(t *testing.T) {
	d := describer(t, "")
	for full, want := range map[string]string{
		"192.0.2.77":               "192.0.2.0",
		"::ffff:192.0.2.77":        "192.0.2.0",
		"2001:db8:1234:5678::9abc": "2001:db8:1234::",
		"fe80::1%eth0":             "fe80::",
		"127.0.0.1":                "127.0.0.0",
		"::1":                      "::",
	} {
		if got := d.Describe(netip.MustParseAddr(full), "").Address.String(); got != want {
			t.Errorf("%s becomes %s, want %s", full, got, want)
		}
	}
	if got := d.Describe(netip.Addr{}, ""); got != (client.Client{}) {
		t.Errorf("nothing becomes %+v", got)
	}
}

func TestCountries(t *testing.T) {
	d := describer(t, countries(t, "Test-Country", map[string]mmdbtype.DataType{
		"192.0.2.0/24": country("DE"), "2001:db8::/32": country("AT"), "198.51.100.0/24": country("not a code"), "203.0.113.0/24": mmdbtype.Map{},
	}))
	for address, want := range map[string]string{
		"192.0.2.77": "DE", "::ffff:192.0.2.77": "DE", "2001:db8:1::1": "AT", "198.51.100.1": "", "203.0.113.1": "", "8.8.8.8": "",
	} {
		if got := d.Describe(netip.MustParseAddr(address), "").CountryISOCode; got != want {
			t.Errorf("%s is in %q, want %q", address, got, want)
		}
	}
	if got := describer(t, "").Describe(netip.MustParseAddr("192.0.2.77"), "").CountryISOCode; got != "" {
		t.Errorf("without a file the country is %q", got)
	}
}

func TestFilesOfCountriesThatCannotBeUsed(t *testing.T) {
	if _, err := client.NewDescriber(filepath.Join(t.TempDir(), "none.mmdb")); err == nil {
		t.Error("no error where there is no file")
	}
	text := filepath.Join(t.TempDir(), "text.mmdb")
	if err := os.WriteFile(text, []byte(strings.Repeat("no countries ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := client.NewDescriber(text); err == nil {
		t.Error("no error where the file is of another format")
	}
}

func TestLongAndStrangeUserAgents(t *testing.T) {
	d := describer(t, "")
	for _, agent := range []string{
		strings.Repeat(chromeOnWindows, 10_000), strings.Repeat("(", 1<<20), "\x00\xff\xfe", strings.Repeat("Chrome/", 100),
		"Mozilla/5.0 Chrome/" + strings.Repeat("9", 1000), "Mozilla/5.0 (Windows NT 10.0) Chrome/<script>.1",
	} {
		c := d.Describe(netip.Addr{}, agent)
		if strings.ContainsAny(c.UserAgentVersion, "<>") || len(c.UserAgentVersion) > 8 {
			t.Errorf("%.60q has version %q", agent, c.UserAgentVersion)
		}
		if len(c.UserAgentName) > 32 || !utf8.ValidString(c.UserAgentName) {
			t.Errorf("%.60q has the name %q", agent, c.UserAgentName)
		}
	}
}

// However many User-Agent headers come, few are remembered, and each is told right.
func TestManyUserAgents(t *testing.T) {
	d := describer(t, "")
	for range 2 {
		for n := range 20_000 {
			agent := fmt.Sprintf("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/%d.0.0.0 Safari/537.36", n)
			if c := d.Describe(netip.Addr{}, agent); c.UserAgentVersion != strconv.Itoa(n) {
				t.Fatalf("%s has version %q", agent, c.UserAgentVersion)
			}
		}
	}
	if n := d.Remembered(); n > 2*4096 {
		t.Errorf("%d headers are remembered", n)
	}
}

// FuzzDescribe: whatever is sent has a description that can be written.
func FuzzDescribe(f *testing.F) {
	seeds := []string{"", chromeOnWindows, "Mozilla/5.0 (compatible; Googlebot/2.1)", "((((", "Chrome/1.", "\xff"}
	if len(seeds) < 5 {
		f.Fatal("the fuzz target has lost its seeds")
	}
	for _, agent := range seeds {
		f.Add([]byte{192, 0, 2, 77}, agent)
		f.Add(bytes.Repeat([]byte{0x20}, 16), agent)
	}
	d, err := client.NewDescriber("")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, address []byte, agent string) {
		a, _ := netip.AddrFromSlice(address)
		c := d.Describe(a, agent)
		if !utf8.ValidString(c.UserAgentName+c.UserAgentVersion+c.OSName+c.DeviceType) || len(c.UserAgentName) > 32 {
			t.Fatalf("%q is described as %+v", agent, c)
		}
		if bits := c.Address.BitLen(); c.Address.IsValid() && (bits == 32 && c.Address.As4()[3] != 0 || bits == 128 && c.Address.As16()[15] != 0) {
			t.Fatalf("%v is kept as %v", a, c.Address)
		}
	})
}

func BenchmarkDescribe(b *testing.B) {
	d := describer(b, countries(b, "Test-Country", map[string]mmdbtype.DataType{"192.0.2.0/24": country("DE")}))
	address := netip.MustParseAddr("192.0.2.77")
	for name, agent := range map[string]string{"chrome": chromeOnWindows, "longest": strings.Repeat("Mozilla/5.0 (Wi", 100)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				d.Describe(address, agent)
			}
		})
	}
}
