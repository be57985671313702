package process

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestCPUIsReadBehindAnyName(t *testing.T) {
	const stat = "4242 (a (bad) na me) S 1 4242 4242 0 -1 4194560 9999 0 7 0 150 50 20 30 20 0 12 0 123456 1 2"
	got, err := parseCPU(stat)
	if want := 2500 * time.Millisecond; got != want || err != nil {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
	for _, bad := range []string{"", "4242 (x", "4242 (x) S 1 2", "4242 (x) S 1 1 1 0 -1 1 1 0 1 0 a b c d 1"} {
		if _, err := parseCPU(bad); err == nil {
			t.Errorf("no error for %q", bad)
		}
	}
}

func TestMemoryIsReadInBytes(t *testing.T) {
	const status = "Name:\tx\nVmHWM:\t  2048 kB\nVmRSS:\t   100 kB\n"
	if got, err := parseKilobytes(status, "VmHWM"); got != 2<<20 || err != nil {
		t.Errorf("%d, %v", got, err)
	}
	if got, err := parseKilobytes(status, "VmRSS"); got != 100<<10 || err != nil {
		t.Errorf("%d, %v", got, err)
	}
	if _, err := parseKilobytes(status, "VmSwap"); err == nil {
		t.Error("no error where the field is missing")
	}
	if _, err := parseKilobytes("VmRSS:\tmuch kB\n", "VmRSS"); err == nil {
		t.Error("no error where the field is no number")
	}
}

func TestAProcessIsMeasuredAndStopped(t *testing.T) {
	p, err := Start(t.Context(), filepath.Join(t.TempDir(), "log"), []string{"SECONDS_TO_RUN=60"}, "sh", "-c", "exec sleep $SECONDS_TO_RUN")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.CPU(); err != nil {
		t.Error(err)
	}
	if now, peak, err := p.Memory(); err != nil || now <= 0 || peak < now {
		t.Errorf("%d now, %d at most, %v", now, peak, err)
	}
	if _, err := p.Stop(10 * time.Second); err != nil {
		t.Error(err)
	}
	select {
	case <-p.Done():
	default:
		t.Error("it still runs")
	}
}

func TestDiskUseLeavesHolesOut(t *testing.T) {
	folder := t.TempDir()
	file, err := os.Create(filepath.Join(folder, "sparse"))
	if err != nil {
		t.Fatal(err)
	}
	if err := file.Truncate(1 << 30); err != nil {
		t.Fatal(err)
	}
	if _, err := file.Write(make([]byte, 4096)); err != nil {
		t.Fatal(err)
	}
	if err := file.Sync(); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := DiskUse(folder); err != nil || got > 1<<20 {
		t.Errorf("%d bytes, %v", got, err)
	}
	if err := os.MkdirAll(filepath.Join(folder, "journal"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "journal", "1"), make([]byte, 2<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := DiskUse(folder, "journal"); err != nil || got > 1<<20 {
		t.Errorf("%d bytes without the journal, %v", got, err)
	}
	if got, err := DiskUse(folder); err != nil || got < 2<<20 {
		t.Errorf("%d bytes with the journal, %v", got, err)
	}
}
