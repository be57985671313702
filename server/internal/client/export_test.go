package client

// Remembered returns how many User-Agent headers a Describer holds.
func (d *Describer) Remembered() int { return len(d.known.recent) + len(d.known.older) }
