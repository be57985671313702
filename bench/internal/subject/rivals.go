package subject

import (
	"fmt"
	"os"
	"path/filepath"
)

// Throughline returns the server of this project, from its binary.
func Throughline(binary, version string) *Server {
	return &Server{
		Name: "Throughline", Version: version, Binary: binary, Durability: "synced to disk, queryable", ports: 3,
		configure: func(folder string, a []string) (setup, error) {
			return setup{
				args: []string{"serve", "--listen", a[0], "--otlp-http", a[1], "--otlp-grpc", a[2], "--data", filepath.Join(folder, "data")},
				// Each session is sent as from its own browser, behind a proxy that tells its address.
				env:   []string{"THROUGHLINE_TRUSTED_PROXIES=127.0.0.1/32"},
				ready: "http://" + a[0] + "/readyz", query: "http://" + a[0],
				traceURL: "http://" + a[1] + "/v1/traces", eventURL: "http://" + a[0] + "/beacon",
			}, nil
		},
		countSpans: spansOfOurs,
	}
}

// Rival is a server that others made, and where its binary comes from.
type Rival struct {
	Server

	Folder  string // its module below bench/rivals; empty where it cannot be built through the Go proxy
	Module  string // whose version is the rival's
	Package string // of the command, as go build takes it
	Beacons bool   // it takes beacons, not spans
	Durable bool   // its spans outlive it and can be asked for: a fair comparison
}

// Rivals returns all rivals that the tables name.
func Rivals() []Rival {
	return []Rival{
		{
			Server: Server{
				Name: "VictoriaTraces", Durability: "on disk within seconds, queryable", ports: 1,
				configure: configureVictoria, countSpans: spansOfJaeger,
				Missing: "the Go proxy does not serve github.com/VictoriaMetrics/VictoriaTraces; give a binary with -bring VictoriaTraces=PATH",
			},
			Durable: true,
		},
		{
			Server: Server{
				Name: "Jaeger, badger", Durability: "written, not synced (its default); queryable", ports: 5,
				configure: configureJaeger(func(data string) string {
					return fmt.Sprintf(`badger: {directories: {keys: "%[1]s/keys", values: "%[1]s/values"}, ephemeral: false}`, data)
				}), countSpans: spansOfJaeger,
			},
			Folder: "jaeger", Module: "github.com/jaegertracing/jaeger", Package: "github.com/jaegertracing/jaeger/cmd/jaeger", Durable: true,
		},
		{
			Server: Server{
				Name: "Jaeger, memory", Durability: "none; queryable", ports: 5,
				configure: configureJaeger(func(string) string { return "memory: {max_traces: 10000000}" }), countSpans: spansOfJaeger,
			},
			Folder: "jaeger", Module: "github.com/jaegertracing/jaeger", Package: "github.com/jaegertracing/jaeger/cmd/jaeger",
		},
		{
			Server: Server{
				Name: "OpenTelemetry Collector, file", Durability: "in a file, not synced; no queries", ports: 1,
				configure: configureCollector, countSpans: spansInFile,
			},
			Folder: "collector", Module: "go.opentelemetry.io/collector/otelcol", Package: ".",
		},
		{
			Server: Server{
				Name: "OpenTelemetry Collector, faro receiver", Durability: "none; nothing is kept", ports: 1,
				configure: configureFaro,
				Missing: "the Go proxy does not serve the faro receiver of opentelemetry-collector-contrib; " +
					`give a collector with it with -bring "OpenTelemetry Collector, faro receiver=PATH"`,
			},
			Beacons: true,
		},
	}
}

func configureVictoria(folder string, a []string) (setup, error) {
	return setup{
		args:  []string{"-storageDataPath=" + filepath.Join(folder, "data"), "-httpListenAddr=" + a[0], "-retentionPeriod=30d"},
		ready: "http://" + a[0] + "/health", query: "http://" + a[0] + "/select/jaeger",
		traceURL: "http://" + a[0] + "/insert/opentelemetry/v1/traces",
	}, nil
}

// configureJaeger writes Jaeger's configuration; storage returns its backend, in
// YAML, for a folder of data.
func configureJaeger(storage func(data string) string) func(folder string, a []string) (setup, error) {
	return func(folder string, a []string) (setup, error) {
		return withConfig(folder, setup{
			ready: "http://" + a[1] + "/api/services", query: "http://" + a[1], traceURL: "http://" + a[0] + "/v1/traces",
		}, fmt.Sprintf(`
receivers: {otlp: {protocols: {http: {endpoint: "%s"}}}}
exporters: {jaeger_storage_exporter: {trace_storage: main}}
extensions:
  jaeger_query: {storage: {traces: main}, http: {endpoint: "%s"}, grpc: {endpoint: "%s"}}
  jaeger_storage: {backends: {main: {%s}}}
service:
  extensions: [jaeger_storage, jaeger_query]
  telemetry: {metrics: {level: none}, logs: {level: error}}
  pipelines: {traces: {receivers: [otlp], exporters: [jaeger_storage_exporter]}}
`, a[0], a[1], a[2], storage(filepath.Join(folder, "data"))))
	}
}

func configureCollector(folder string, a []string) (setup, error) {
	file := filepath.Join(folder, "data", "spans")
	return withConfig(folder, setup{
		ready: "http://" + a[0] + "/", query: file, traceURL: "http://" + a[0] + "/v1/traces",
	}, fmt.Sprintf(`
receivers: {otlp: {protocols: {http: {endpoint: "%s"}}}}
exporters: {file: {path: "%s", format: proto, flush_interval: 1s}}
service:
  telemetry: {metrics: {level: none}, logs: {level: error}}
  pipelines: {traces: {receivers: [otlp], exporters: [file]}}
`, a[0], file))
}

func configureFaro(folder string, a []string) (setup, error) {
	return withConfig(folder, setup{
		ready: "http://" + a[0] + "/", eventURL: "http://" + a[0] + "/collect",
	}, fmt.Sprintf(`
receivers: {faro: {endpoint: "%s"}}
exporters: {nop: {}}
service:
  telemetry: {metrics: {level: none}, logs: {level: error}}
  pipelines:
    traces: {receivers: [faro], exporters: [nop]}
    logs: {receivers: [faro], exporters: [nop]}
`, a[0]))
}

// withConfig writes the configuration file of a program that is an OpenTelemetry Collector.
func withConfig(folder string, s setup, yaml string) (setup, error) {
	name := filepath.Join(folder, "config.yaml")
	s.args = []string{"--config", "file:" + name}
	return s, os.WriteFile(name, []byte(yaml), 0o600)
}
