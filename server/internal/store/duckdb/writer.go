package duckdb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"

	"github.com/duckdb/duckdb-go/v2"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
)

// maxGroup bounds the rows that are committed together; a batch is never split.
const maxGroup = 8192

// maxHosts bounds the hosts that the writer remembers.
const maxHosts = 1 << 16

// Write implements store.Writer. Strings are UTF-8: other bytes become U+FFFD.
// Attributes of other types than the model allows, nested deeper than 100, and times outside
// the years 1678 to 2261 are refused with KindInvalid.
func (s *Store) Write(ctx context.Context, b store.Batch) error {
	if err := ctx.Err(); err != nil {
		return failure(ctx, "write", err)
	}
	if b.Len() == 0 {
		return nil
	}
	r, err := encode(b)
	if err != nil {
		return &Error{Op: "write", Kind: KindInvalid, Err: err}
	}
	return s.submit(ctx, "write", &change{rows: r})
}

// PutLinks implements store.Linker. Links of requests that are not stored are left out.
func (s *Store) PutLinks(ctx context.Context, links []model.Link, next store.Watermark) error {
	if err := ctx.Err(); err != nil {
		return failure(ctx, "put links", err)
	}
	c := &change{rows: new(rows), watermark: &next}
	latest := make(map[model.EventID]int, len(links))
	for i := range links {
		l := &links[i]
		at, ok := latest[l.RequestID]
		if ok && l.JudgedAt.Before(links[at].JudgedAt) {
			continue
		}
		latest[l.RequestID] = i
	}
	for _, i := range latest {
		v, err := linkValues(&links[i])
		if err != nil {
			return invalid("put links", "request %v: %w", links[i].RequestID, err)
		}
		c.links = append(c.links, v)
	}
	return s.submit(ctx, "put links", c)
}

// change is what one call wants committed.
type change struct {
	rows      *rows
	links     [][]driver.Value // rows of judged.sql, no request twice
	watermark *store.Watermark // nil: stays
	done      chan error       // takes one
}

func (s *Store) submit(ctx context.Context, op string, c *change) error {
	if err := s.enter(op); err != nil {
		return err
	}
	defer s.leave()
	c.done = make(chan error, 1)
	select {
	case s.writer.changes <- c:
	case <-ctx.Done():
		return failure(ctx, op, ctx.Err())
	}
	select {
	case err := <-c.done:
		if err != nil {
			return failure(context.Background(), op, err)
		}
		return nil
	case <-ctx.Done():
		return failure(ctx, op, ctx.Err())
	}
}

// writer is the one goroutine that writes to the database. Changes that come in
// while a commit is under way are committed together by the next.
type writer struct {
	changes chan *change // unbuffered: what it has taken, it commits
	stopped chan struct{}

	conn      *sql.Conn
	appenders [tables]*duckdb.Appender
	judged    *duckdb.Appender
	filters   [tables]*idFilter
	hosts     map[string]bool // some of those that are stored
	seq       uint64          // the last that was given
}

func newWriter(ctx context.Context, db *sql.DB) (_ *writer, err error) {
	w := &writer{
		changes: make(chan *change),
		stopped: make(chan struct{}),
		hosts:   map[string]bool{},
	}
	if w.conn, err = db.Conn(ctx); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.release())
		}
	}()
	if _, err := w.conn.ExecContext(ctx, sqlJudged); err != nil {
		return nil, err
	}
	if err := w.conn.QueryRowContext(ctx, sqlLastSeq).Scan(&w.seq); err != nil {
		return nil, err
	}
	for t := range tables {
		if w.filters[t], err = loadFilter(ctx, w.conn, t); err != nil {
			return nil, err
		}
	}
	if err := w.openAppenders(); err != nil {
		return nil, err
	}
	go w.run()
	return w, nil
}

// loadFilter reads the ids of a table. It goes below database/sql, which takes
// several times as long for each row.
func loadFilter(ctx context.Context, conn *sql.Conn, t table) (*idFilter, error) {
	f := newIDFilter()
	err := conn.Raw(func(c any) error {
		result, err := c.(driver.QueryerContext).QueryContext(ctx, sqlIDs[t], nil) //nolint:errcheck // DuckDB's connection is one
		if err != nil {
			return err
		}
		defer result.Close() //nolint:errcheck // read only
		dest := make([]driver.Value, len(result.Columns()))
		for n := 0; ; n++ {
			if n%100_000 == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			if err := result.Next(dest); errors.Is(err, io.EOF) {
				return nil
			} else if err != nil {
				return err
			}
			k, err := keyOf(dest)
			if err != nil {
				return err
			}
			f.add(k)
		}
	})
	return f, err
}

// keyOf reads a key from its columns: the id, and of spans the trace id.
func keyOf(columns []driver.Value) (k rowKey, err error) {
	id, ok := columns[0].(uint64)
	if !ok {
		return k, fmt.Errorf("an id of the Go type %T", columns[0])
	}
	k.id = id
	if len(columns) > 1 {
		err = (*traceColumn)(&k.trace).Scan(columns[1])
	}
	return k, err
}

func (w *writer) run() {
	defer close(w.stopped)
	for first := range w.changes {
		group := []*change{first}
		for n := first.rows.count(); n < maxGroup; {
			c := w.waiting()
			if c == nil {
				break
			}
			group = append(group, c)
			n += c.rows.count()
		}
		w.settle(group, w.commit(group))
	}
}

// settle tells the callers of a group how its commit went. One change that cannot be
// stored must not fail the others, so a group that failed is tried one by one.
func (w *writer) settle(group []*change, err error) {
	for _, c := range group {
		if err != nil && len(group) > 1 {
			c.done <- w.commit([]*change{c})
		} else {
			c.done <- err
		}
	}
}

// waiting returns a change that a caller waits to hand over, or nil.
func (w *writer) waiting() *change {
	select {
	case c := <-w.changes:
		return c
	default:
		return nil
	}
}

// close commits what was taken, checkpoints, and frees the connection. No change
// may be submitted any more.
func (w *writer) close() error {
	close(w.changes)
	<-w.stopped
	_, err := w.conn.ExecContext(context.Background(), "CHECKPOINT")
	return errors.Join(err, w.release())
}

func (w *writer) release() error { return errors.Join(w.closeAppenders(), w.conn.Close()) }

func (w *writer) openAppenders() error {
	err := w.conn.Raw(func(c any) (err error) {
		conn := c.(driver.Conn) //nolint:errcheck // it is always one
		for t := range tables {
			if w.appenders[t], err = duckdb.NewAppenderFromConn(conn, "", tableNames[t]); err != nil {
				return err
			}
		}
		w.judged, err = duckdb.NewAppender(conn, "temp", "main", "judged")
		return err
	})
	if err != nil {
		return errors.Join(err, w.closeAppenders())
	}
	return nil
}

func (w *writer) closeAppenders() error {
	var errs []error
	for _, a := range append(w.appenders[:], w.judged) {
		if a != nil {
			// What a failed commit left must not be flushed by closing.
			errs = append(errs, a.Clear(), a.Close())
		}
	}
	w.appenders, w.judged = [tables]*duckdb.Appender{}, nil
	return errors.Join(errs...)
}

// commit stores changes in one transaction. It returns when they are on disk.
func (w *writer) commit(group []*change) (err error) {
	ctx := context.Background() // who waits may leave, the commit goes on
	if w.judged == nil {        // the last commit failed, and reset could not mend it
		if err := w.openAppenders(); err != nil {
			return err
		}
	}
	if _, err := w.conn.ExecContext(ctx, "BEGIN"); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			w.reset(ctx)
		}
	}()
	newHosts := map[string]uint64{}
	for t := range tables {
		if err := w.append(ctx, t, group, newHosts); err != nil {
			return fmt.Errorf("%s: %w", tableNames[t], err)
		}
	}
	if err := w.putHosts(ctx, newHosts); err != nil {
		return fmt.Errorf("hosts: %w", err)
	}
	for _, c := range group {
		if err := w.putLinks(ctx, c); err != nil {
			return fmt.Errorf("links: %w", err)
		}
	}
	if _, err := w.conn.ExecContext(ctx, "COMMIT"); err != nil {
		return err
	}
	if len(w.hosts)+len(newHosts) > maxHosts {
		clear(w.hosts)
	}
	for h := range newHosts {
		w.hosts[h] = true
	}
	return nil
}

// reset makes the connection usable after a failed commit. Where it cannot, the
// next commit tries again and says why it cannot.
func (w *writer) reset(ctx context.Context) {
	_ = w.closeAppenders() // of an appender that failed, closing reports the failure again
	_, _ = w.conn.ExecContext(ctx, "ROLLBACK")
	_ = w.openAppenders()
}

// append appends the rows of a table that are not there yet.
func (w *writer) append(ctx context.Context, t table, group []*change, newHosts map[string]uint64) error {
	var fresh []row
	var suspects []rowKey // which may be stored, or stand in fresh
	for _, c := range group {
		for _, r := range c.rows[t] {
			if w.filters[t].add(r.key) {
				suspects = append(suspects, r.key)
			}
			fresh = append(fresh, r)
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	known, err := w.known(ctx, t, suspects)
	if err != nil {
		return err
	}
	appended := 0
	for _, r := range fresh {
		if isKnown, isSuspect := known[r.key]; isSuspect {
			if isKnown {
				continue
			}
			known[r.key] = true
		}
		w.seq++
		r.values[0] = w.seq
		if err := w.appenders[t].AppendRow(r.values...); err != nil {
			return err
		}
		appended++
		if _, told := newHosts[r.host]; r.host != "" && !told && !w.hosts[r.host] {
			newHosts[r.host] = w.seq
		}
	}
	if appended == 0 {
		return nil
	}
	return w.appenders[t].Flush()
}

// known returns for each of the keys whether it is stored.
func (w *writer) known(ctx context.Context, t table, keys []rowKey) (map[rowKey]bool, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	known := make(map[rowKey]bool, len(keys))
	ids := make([]uint64, len(keys))
	traces := make([]string, len(keys))
	for i, k := range keys {
		known[k] = false
		ids[i], traces[i] = k.id, k.trace.String()
	}
	var found *sql.Rows
	var err error
	if t == spans {
		found, err = w.conn.QueryContext(ctx, sqlKnownSpans, traces, ids)
	} else {
		found, err = w.conn.QueryContext(ctx, [...]string{sqlKnownRequests, sqlKnownNavigations, sqlKnownWebVitals}[t], ids)
	}
	if err != nil {
		return nil, err
	}
	defer found.Close()
	for found.Next() {
		var k rowKey
		dest := []any{&k.id}
		if t == spans {
			dest = []any{(*traceColumn)(&k.trace), &k.id}
		}
		if err := found.Scan(dest...); err != nil {
			return nil, err
		}
		known[k] = true
	}
	return known, found.Err()
}

func (w *writer) putHosts(ctx context.Context, first map[string]uint64) error {
	if len(first) == 0 {
		return nil
	}
	var hosts []string
	var seqs []uint64
	for h, seq := range first {
		hosts, seqs = append(hosts, h), append(seqs, seq)
	}
	_, err := w.conn.ExecContext(ctx, sqlPutHosts, hosts, seqs)
	return err
}

func (w *writer) putLinks(ctx context.Context, c *change) error {
	if len(c.links) > 0 {
		for _, v := range c.links {
			if err := w.judged.AppendRow(v...); err != nil {
				return err
			}
		}
		if err := w.judged.Flush(); err != nil {
			return err
		}
		for _, q := range []string{sqlPutLinks, "DELETE FROM judged"} {
			if _, err := w.conn.ExecContext(ctx, q); err != nil {
				return err
			}
		}
	}
	if c.watermark == nil {
		return nil
	}
	_, err := w.conn.ExecContext(ctx, sqlPutWatermark, unsigned(uint64(*c.watermark)))
	return err
}
