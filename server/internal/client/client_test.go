package client_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

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
		if _, err := c.MarshalBinary(); err != nil {
			t.Errorf("%.60q: %v", agent, err)
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

// The frozen forms: whoever changes them makes what lies in journals unreadable.
func TestBinaryForm(t *testing.T) {
	for frozen, c := range map[string]client.Client{
		"0100":                  {},
		"0101c00002":            {Address: netip.MustParseAddr("192.0.2.0")},
		"010220010db81234":      {Address: netip.MustParseAddr("2001:db8:1234::")},
		"0104" + "4445":         {CountryISOCode: "DE"},
		"0120" + "054c696e7578": {OSName: "Linux"},
		"017d" + "c00002" + "4445" + "064368726f6d65" + "03313431" + "0757696e646f7773" + "076465736b746f70": {
			Address: netip.MustParseAddr("192.0.2.0"), CountryISOCode: "DE", UserAgentName: "Chrome", UserAgentVersion: "141", OSName: "Windows", DeviceType: "desktop"},
	} {
		b, err := c.MarshalBinary()
		if err != nil || hex.EncodeToString(b) != frozen {
			t.Errorf("%+v is written %x, want %s, error %v", c, b, frozen, err)
		}
		var read client.Client
		if err := read.UnmarshalBinary(b); err != nil || read != c {
			t.Errorf("%s is read %+v, error %v, want %+v", frozen, read, err, c)
		}
	}
}

func TestBinaryHasNoRoomForAnAddress(t *testing.T) {
	for _, full := range []string{"192.0.2.77", "2001:db8:1234:5678::9abc", "::ffff:192.0.2.77"} {
		b, err := client.Client{Address: netip.MustParseAddr(full)}.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		var read client.Client
		if err := read.UnmarshalBinary(b); err != nil || read.Address == netip.MustParseAddr(full).Unmap() {
			t.Errorf("%s is read %s, error %v", full, read.Address, err)
		}
	}
}

func TestBinaryRefusals(t *testing.T) {
	for name, text := range map[string]string{
		"nothing": "", "version only": "01", "version 2": "0200", "version 0": "0000", "unknown part": "0180", "two addresses": "0103c0000220010db81234",
		"v4 in v6": "0102000000000000" + "ff", "cut address": "0101c000", "cut country": "010444", "lower case": "01046465",
		"empty text": "012000", "cut text": "0120054c69", "long text": "012021" + strings.Repeat("61", 33), "more": "010000",
	} {
		b, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		c := client.Client{OSName: "as before"}
		if err := c.UnmarshalBinary(b); !errors.Is(err, client.ErrBinary) || c != (client.Client{OSName: "as before"}) {
			t.Errorf("%s: error %v, read %+v", name, err, c)
		}
	}
	for _, c := range []client.Client{{CountryISOCode: "D"}, {OSName: strings.Repeat("a", 33)}} {
		if b, err := c.AppendBinary([]byte("before")); err == nil || string(b) != "before" {
			t.Errorf("%+v is written %q, error %v", c, b, err)
		}
	}
}

// FuzzBinary: what can be read is written as the same bytes.
func FuzzBinary(f *testing.F) {
	seeds := []string{
		"0100", "0101c00002", "010220010db81234", "0120054c696e7578", "017dc000024445064368726f6d65033134310757696e646f7773076465736b746f70", "0102000000000000",
	}
	if len(seeds) < 5 {
		f.Fatal("the fuzz target has lost its seeds")
	}
	for _, text := range seeds {
		b, err := hex.DecodeString(text)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var c client.Client
		if c.UnmarshalBinary(b) != nil {
			return
		}
		again, err := c.MarshalBinary()
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%x is read as %+v and written %x, error %v", b, c, again, err)
		}
	})
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
		b, err := c.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		var read client.Client
		if err := read.UnmarshalBinary(b); err != nil || read != c {
			t.Fatalf("%+v is read %+v, error %v", c, read, err)
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
	b.Run("binary", func(b *testing.B) {
		b.ReportAllocs()
		c := d.Describe(address, chromeOnWindows)
		var buffer []byte
		for b.Loop() {
			buffer, _ = c.AppendBinary(buffer[:0])
		}
		b.ReportMetric(float64(len(buffer)), "bytes")
	})
}
