package storetest_test

import (
	"testing"

	"github.com/throughline-rum/throughline/server/internal/store/storetest"
)

// memory reopens as itself: it keeps nothing beyond the process.
type memory struct{ storetest.Memory }

func (m *memory) Reopen(*testing.T) storetest.Store { return m }

func TestMemory(t *testing.T) {
	storetest.Run(t, func(*testing.T) storetest.Store { return new(memory) })
}
