package client

import (
	"strings"
	"sync"
)

// maxCached bounds each of the two generations of a cache.
const maxCached = 4096

// agent is what a User-Agent header says.
type agent struct{ name, version, os, device string }

// cache remembers what User-Agent headers say, of which a site sees few. It
// holds two generations: the older one goes when the recent one is full, and
// takes along what was not asked for since.
type cache struct {
	mu            sync.RWMutex
	recent, older map[string]agent
}

func (c *cache) get(userAgent string, parse func(string) agent) agent {
	c.mu.RLock()
	a, recent := c.recent[userAgent]
	older := false
	if !recent {
		a, older = c.older[userAgent]
	}
	c.mu.RUnlock()
	if recent {
		return a
	}
	if !older {
		a = parse(userAgent)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.recent == nil || len(c.recent) >= maxCached {
		c.recent, c.older = make(map[string]agent), c.recent
	}
	c.recent[strings.Clone(userAgent)] = a // of what may be a part of something larger
	return a
}
