package recipes

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// program is one that stands between a browser and the proxy, or the proxy and the
// application.
type program struct {
	name     string // of the guide
	debian   string // package
	binary   string
	language string // of the guide's blocks
	// cache is the section whose configuration stores answers; empty: the program does not.
	cache string
	// strip are the lines of that configuration which take the trace of another request from
	// stored answers.
	strip []string
	// firstFieldOnly says that with a cache in front of the proxy only one Server-Timing field
	// passes, as the guide warns.
	firstFieldOnly bool
	// losses are what the guide says of its settings: what is lost without them.
	losses []loss
	// http2 are a text of the configuration, and that which has browsers asked in HTTP/2
	// without TLS, which spares the test certificates. None: it takes both.
	http2 [2]string
	// arrange writes what the guide's configuration is put into on a system, and returns the
	// arguments of a start in the foreground.
	arrange func(t *testing.T, in *folder, g guide, heading, config string) []string
}

// loss is what becomes of a request when a setting is taken out.
type loss struct {
	section, setting string
	path             string
	status           int
	host             bool   // the application sees that of the program's upstream
	client           string // that the application sees in X-Forwarded-For
}

var programs = []program{
	{
		name: "nginx", debian: "nginx", binary: "nginx", language: "nginx",
		cache: sectionCache, strip: []string{"proxy_hide_header Server-Timing;", "add_header Server-Timing $fresh_server_timing always;"},
		firstFieldOnly: true,
		losses: []loss{
			{section: sectionFront, setting: "proxy_set_header Host $http_host;", path: "/", status: http.StatusOK, host: true},
			{section: sectionFront, setting: "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;", path: "/", status: http.StatusOK, client: "127.0.0.1"},
			{section: sectionFront, setting: "proxy_set_header Upgrade $http_upgrade;", path: "/socket", status: http.StatusUpgradeRequired},
			{section: sectionFront, setting: "proxy_buffer_size 16k;", path: "/large", status: http.StatusBadGateway},
		},
		http2: [2]string{"listen 127.0.0.1:8000;", "listen 127.0.0.1:8000 http2;"},
		arrange: func(t *testing.T, in *folder, _ guide, _, config string) []string {
			t.Helper()
			in.write(t, "conf.d/throughline.conf", strings.ReplaceAll(config, "/var/cache/nginx/", in.path+"/cache-"))
			in.write(t, "nginx.conf", `daemon off; worker_processes 1; pid nginx.pid; error_log stderr;
events {}
http {
	access_log off;
	client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
	include conf.d/*.conf;
}
`)
			return []string{"-e", "stderr", "-p", in.path, "-c", "nginx.conf"}
		},
	},
	{
		name: "haproxy", debian: "haproxy", binary: "haproxy", language: "haproxy",
		cache: sectionCache, strip: []string{"http-after-response del-header Server-Timing if { res.cache_hit }"},
		losses: []loss{{section: sectionFront, setting: "option forwardfor", path: "/", status: http.StatusOK, client: "127.0.0.1"}},
		http2:  [2]string{"bind 127.0.0.1:8000", "bind 127.0.0.1:8000 proto h2"},
		arrange: func(t *testing.T, in *folder, _ guide, _, config string) []string {
			t.Helper()
			return []string{"-db", "-f", in.write(t, "haproxy.cfg", config+"\n")}
		},
	},
	{
		name: "apache", debian: "apache2-bin", binary: "apache2", language: "apache",
		cache: sectionCache, strip: []string{"CacheIgnoreHeaders Server-Timing"},
		losses: []loss{
			{section: sectionFront, setting: "ProxyPreserveHost On", path: "/", status: http.StatusOK, host: true},
			{section: sectionFront, setting: "upgrade=websocket", path: "/socket", status: http.StatusUpgradeRequired},
		},
		http2: [2]string{"ProxyPreserveHost On", "Protocols h2c http/1.1\nProxyPreserveHost On"},
		arrange: func(t *testing.T, in *folder, g guide, heading, config string) []string {
			t.Helper()
			if heading == sectionBehind {
				heading = sectionFront
			}
			modules := append([]string{"mpm_event", "authz_core", "http2"}, g.command(t, heading, "a2enmod")...)
			var main strings.Builder
			for _, module := range modules {
				main.WriteString("LoadModule " + module + "_module /usr/lib/apache2/modules/mod_" + module + ".so\n")
			}
			in.mkdir(t, "cache")
			config = strings.ReplaceAll(config, "/var/cache/apache2/mod_cache_disk", filepath.Join(in.path, "cache"))
			main.WriteString("ServerRoot " + in.path + "\nServerName localhost\nPidFile apache.pid\nDefaultRuntimeDir .\nErrorLog /dev/stderr\n" + config + "\n")
			return []string{"-D", "FOREGROUND", "-f", in.write(t, "apache.conf", main.String())}
		},
	},
	{
		name: "varnish", debian: "varnish", binary: "varnishd", language: "vcl",
		cache: sectionFront, strip: []string{"unset resp.http.Server-Timing;"},
		losses: []loss{{section: sectionFront, setting: "return (pipe);", path: "/socket", status: http.StatusUpgradeRequired}},
		arrange: func(t *testing.T, in *folder, g guide, heading, config string) []string {
			t.Helper()
			vcl := in.write(t, "default.vcl", config)
			args := []string{"-F", "-n", in.mkdir(t, "work"), "-s", "default,8m", "-p", "feature=+http2"}
			for _, word := range g.command(t, heading, "varnishd") {
				switch word {
				case guideProgram:
					word = in.listen
				case "/etc/varnish/default.vcl":
					word = vcl
				}
				args = append(args, word)
			}
			return args
		},
	},
	{
		name: "caddy", debian: "caddy", binary: "caddy", language: "caddy",
		losses: []loss{{section: sectionBehind, setting: "trusted_proxies 127.0.0.1", path: "/", status: http.StatusOK, client: "127.0.0.1"}},
		arrange: func(t *testing.T, in *folder, _ guide, _, config string) []string {
			t.Helper()
			_, port, _ := strings.Cut(in.listen, ":")
			config = strings.Replace(config, ":8000 {", ":"+port+" {", 1)
			return []string{"run", "--adapter", "caddyfile", "--config", in.write(t, "Caddyfile", "{\n\tadmin off\n\tdefault_bind 127.0.0.1\n\tservers {\n\t\tprotocols h1 h2c\n\t}\n}\n"+config+"\n")}
		},
	},
}
