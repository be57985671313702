package config_test

import (
	"errors"
	"testing"
	"time"

	"github.com/throughline-rum/throughline/server/internal/config"
)

func usable() config.Serve {
	return config.Serve{
		Listen: "127.0.0.1:0", OTLPHTTP: "[::1]:4318", OTLPGRPC: ":4317",
		Data: "data", MemoryLimit: 512, Tenant: "2ead957c-980df25b",
		LinkWait: time.Minute, LinkInterval: time.Second,
	}
}

func TestValidateNamesTheSettingAndTheWayOut(t *testing.T) {
	good := usable()
	if err := good.Validate(); err != nil {
		t.Fatalf("Validate() = %v for usable settings", err)
	}
	for setting, spoil := range map[string]func(*config.Serve){
		"listen":        func(c *config.Serve) { c.Listen = "8318" },
		"otlp-http":     func(c *config.Serve) { c.OTLPHTTP = "" },
		"otlp-grpc":     func(c *config.Serve) { c.OTLPGRPC = "::1:2" },
		"data":          func(c *config.Serve) { c.Data = "" },
		"memory-limit":  func(c *config.Serve) { c.MemoryLimit = 1 },
		"tenant":        func(c *config.Serve) { c.Tenant = "2EAD957C-980df25b" },
		"link-wait":     func(c *config.Serve) { c.LinkWait = 0 },
		"link-interval": func(c *config.Serve) { c.LinkInterval = time.Nanosecond },
	} {
		t.Run(setting, func(t *testing.T) {
			c := usable()
			spoil(&c)
			var bad *config.Error
			if err := c.Validate(); !errors.As(err, &bad) {
				t.Fatalf("Validate() = %v, want a *config.Error", err)
			}
			if bad.Setting != setting || bad.Hint == "" {
				t.Errorf("the error names %q with hint %q, want %q and a hint", bad.Setting, bad.Hint, setting)
			}
		})
	}
}
