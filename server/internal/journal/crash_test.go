package journal_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync"
	"testing"

	"github.com/throughline-rum/throughline/server/internal/journal"
)

const (
	crashFolder    = "JOURNAL_TEST_CRASH_FOLDER"
	crashProducers = 16
	crashSegment   = 32 << 10
)

// crashChild appends until it is killed, and prints what was acknowledged.
func crashChild(dir string) int {
	j, err := journal.Open(dir, journal.Options{SegmentBytes: crashSegment})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	var wg sync.WaitGroup
	var out sync.Mutex
	for p := range crashProducers {
		wg.Go(func() {
			for i := 0; ; i++ {
				payload := fmt.Sprintf("%d %d %d", os.Getpid(), p, i)
				if _, err := j.Append(context.Background(), 0, []byte(payload), make([]byte, 64*p)); err != nil {
					fmt.Fprintln(os.Stderr, err)
					return
				}
				out.Lock()
				fmt.Println(p, i)
				out.Unlock()
			}
		})
	}
	wg.Wait()
	return 1
}

// TestKilled: whatever a process acknowledged before it was killed is there, in
// order and once.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	var after journal.Position
	for round := range 20 {
		child := exec.CommandContext(t.Context(), os.Args[0])
		child.Env = append(os.Environ(), crashFolder+"="+dir)
		child.Stderr = os.Stderr
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		acknowledged := make([]int, crashProducers)
		lines := bufio.NewScanner(out)
		for left := rand.IntN(800); lines.Scan(); left-- {
			if left == 0 { // and read on what was printed before it died
				if err := child.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
			var p, i int
			if n, _ := fmt.Sscan(lines.Text(), &p, &i); n == 2 {
				acknowledged[p] = i + 1
			}
		}
		child.Wait()

		j, err := journal.Open(dir, journal.Options{SegmentBytes: crashSegment})
		if err != nil {
			t.Fatal(err)
		}
		payloads, err := readAll(t, j, after)
		if err != nil {
			t.Fatal(err)
		}
		there := make([]int, crashProducers)
		for _, payload := range payloads {
			var pid, p, i int
			if _, err := fmt.Sscan(payload, &pid, &p, &i); err != nil {
				t.Fatal(err)
			}
			if pid != child.Process.Pid || i != there[p] {
				t.Fatalf("round %d: record %d of producer %d, want %d", round, i, p, there[p])
			}
			there[p]++
		}
		for p := range crashProducers {
			if there[p] < acknowledged[p] {
				t.Errorf("round %d: producer %d was acknowledged %d records, %d are there", round, p, acknowledged[p], there[p])
			}
		}
		after = j.Stats().Last
		if round%3 == 0 {
			if err := j.Trim(after); err != nil {
				t.Fatal(err)
			}
		}
		closeJournal(t, j)
	}
	if after == 0 {
		t.Error("nothing was appended in any round")
	}
}
