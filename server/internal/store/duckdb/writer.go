package duckdb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"maps"
	"sync/atomic"
	"time"

	"github.com/FastFilter/xorfilter"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
)

// maxGroup bounds the rows that are committed together; a batch is never split.
const maxGroup = 8192

// maxRemembered bounds the hosts and services that the writer remembers.
const maxRemembered = 1 << 16

// Write implements store.Writer. Strings are UTF-8: other bytes become U+FFFD. Times outside
// the years 1678 to 2261 are refused with KindInvalid.
func (s *Store) Write(ctx context.Context, b store.Batch) error {
	if err := ctx.Err(); err != nil {
		return failure(ctx, "write", err)
	}
	if b.Len() == 0 && b.Position == 0 {
		return nil
	}
	memory, _ := s.memory.Get().(*encoder)
	if memory == nil {
		memory = new(encoder)
	}
	r, err := encode(b, s.options.FirstDue, memory)
	if err != nil {
		return &Error{Op: "write", Kind: KindInvalid, Err: err}
	}
	if err := s.submit(ctx, "write", &change{rows: r, position: b.Position}); err != nil {
		return err // the writer may still be at it
	}
	s.memory.Put(memory)
	return nil
}

// change is what one call wants committed.
type change struct {
	rows      *rows
	position  store.Position   // zero: stays
	links     []model.Link     // no request twice
	judged    columns          // the same as rows of judged.sql
	watermark *store.Watermark // nil: stays
	run       func(context.Context, *sql.Conn) error
	shrink    bool       // nothing else: the write-ahead log is moved into the tables
	done      chan error // takes one
}

func (s *Store) submit(ctx context.Context, op string, c *change) error {
	if err := s.enter(op); err != nil {
		return err
	}
	defer s.leave()
	if c.run == nil {
		if c.position != 0 {
			s.awaitPass(ctx)
		}
		if err := s.makeRoom(ctx); err != nil {
			return err
		}
	}
	c.done = make(chan error, 1)
	select {
	case s.writer.changes <- c:
	case <-ctx.Done():
		return s.failure(ctx, op, ctx.Err())
	}
	select {
	case err := <-c.done:
		if err != nil {
			return s.failure(context.Background(), op, err)
		}
		return nil
	case <-ctx.Done():
		return s.failure(ctx, op, ctx.Err())
	}
}

// writer is the one goroutine that writes to the database. Changes that come in
// while a commit is under way are committed together by the next.
type writer struct {
	changes chan *change // unbuffered: what it has taken, it commits
	stopped chan struct{}

	conn      *sql.Conn
	appenders [tables]*appender
	judged    *appender
	directory *directory
	recent    *recent
	joined    atomic.Bool             // the table of this name holds something
	hosts     map[string]bool         // some of those that are stored
	services  map[[2]string]time.Time // some of those that are stored, with a host, and the time that is stored
	position  store.Position          // committed
	seq       uint64                  // the last that was given
}

func newWriter(ctx context.Context, db *sql.DB, d *directory) (_ *writer, err error) {
	w := &writer{
		changes:   make(chan *change),
		stopped:   make(chan struct{}),
		directory: d,
		hosts:     map[string]bool{},
		services:  map[[2]string]time.Time{},
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
	w.seq = max(w.seq, d.last()) // numbers that repeats left unused are not given again
	if err := w.conn.QueryRowContext(ctx, sqlPosition).Scan(&w.position); err != nil {
		return nil, err
	}
	var joined bool
	if err := w.conn.QueryRowContext(ctx, "SELECT count(*) > 0 FROM joined").Scan(&joined); err != nil {
		return nil, err
	}
	w.joined.Store(joined)
	if err := w.openAppenders(); err != nil {
		return nil, err
	}
	w.recent = newRecent(w.seq)
	go w.run()
	return w, nil
}

func (w *writer) run() {
	defer close(w.stopped)
	for next := range w.changes {
		for next != nil {
			if next.shrink {
				next.done <- w.shrink()
				next = nil
				continue
			}
			var group []*change
			group, next = w.group(next)
			w.settle(group, w.commit(group))
		}
	}
}

// group returns a change with those that wait and may be committed with it, and the next one where that may not. The link
// pass goes on once its verdicts are stored, so they do not share the commit of what comes in, which may be large.
func (w *writer) group(first *change) (group []*change, next *change) {
	group, n := []*change{first}, first.rows.count()
	for n < maxGroup {
		if next = w.waiting(); next == nil || next.shrink || (next.watermark == nil) != (first.watermark == nil) {
			return group, next
		}
		group = append(group, next)
		n += next.rows.count()
	}
	return group, nil
}

// shrink moves the write-ahead log into the tables.
func (w *writer) shrink() error {
	_, err := w.conn.ExecContext(context.Background(), "CHECKPOINT") // it does not end halfway
	return err
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
	_, err := w.conn.ExecContext(context.Background(), "FORCE CHECKPOINT") // some reads may still be ending
	return errors.Join(err, w.release())
}

func (w *writer) release() error { return errors.Join(w.closeAppenders(), w.conn.Close()) }

func (w *writer) openAppenders() error {
	err := w.conn.Raw(func(c any) (err error) {
		conn := c.(driver.Conn) //nolint:errcheck // it is always one
		for t := range tables {
			if w.appenders[t], err = newAppender(conn, "", "", tableNames[t]); err != nil {
				return err
			}
		}
		w.judged, err = newAppender(conn, "temp", "main", "judged")
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
			errs = append(errs, a.close())
		}
	}
	w.appenders, w.judged = [tables]*appender{}, nil
	return errors.Join(errs...)
}

// transaction is what a commit has found on its way.
type transaction struct {
	hosts     map[string]uint64       // not remembered, with the seq of the first span of each
	services  map[[2]string]time.Time // not remembered, with the time of receipt of the first span
	position  store.Position
	watermark *store.Watermark
	written   written
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
	tx := transaction{hosts: map[string]uint64{}, services: map[[2]string]time.Time{}, position: w.position}
	closed, err := w.apply(ctx, group, &tx)
	if err != nil {
		return err
	}
	if _, err := w.conn.ExecContext(ctx, "COMMIT"); err != nil {
		return err
	}
	w.position = tx.position
	tx.written.last = w.seq
	for _, seq := range tx.hosts {
		tx.written.newHost = max(tx.written.newHost, seq)
	}
	w.recent.add(&tx.written)
	if closed != nil {
		first := w.directory.turn(closed)
		w.seq = first - 1 // seqs that repeats or a failed commit left unused belong to the closed run
		w.recent.turn(first)
	}
	if len(w.hosts)+len(tx.hosts) > maxRemembered {
		clear(w.hosts)
	}
	for h := range tx.hosts {
		w.hosts[h] = true
	}
	if len(w.services)+len(tx.services) > maxRemembered {
		clear(w.services)
	}
	maps.Copy(w.services, tx.services)
	return nil
}

// apply makes the changes of a group within the transaction that is open.
func (w *writer) apply(ctx context.Context, group []*change, tx *transaction) (closed *xorfilter.BinaryFuse[uint16], err error) {
	fresh := group[:0:0] // without those that were stored before
	for _, c := range group {
		if c.position != 0 && c.position <= tx.position {
			continue
		}
		tx.position = max(tx.position, c.position)
		fresh = append(fresh, c)
	}
	for t := range tables {
		if err := w.append(ctx, t, fresh, tx); err != nil {
			return nil, fmt.Errorf("%s: %w", tableNames[t], err)
		}
	}
	if err := w.putNames(ctx, tx); err != nil {
		return nil, err
	}
	for _, c := range fresh {
		if err := w.putLinks(ctx, c); err != nil {
			return nil, fmt.Errorf("links: %w", err)
		}
		tx.written.links = append(tx.written.links, c.links...)
		if c.watermark != nil {
			tx.watermark = c.watermark
		}
		if c.run != nil {
			if err := c.run(ctx, w.conn); err != nil {
				return nil, err
			}
		}
	}
	if tx.watermark != nil {
		if _, err := w.conn.ExecContext(ctx, sqlPutWatermark, unsigned(uint64(*tx.watermark))); err != nil {
			return nil, err
		}
	}
	if tx.position != w.position {
		if _, err := w.conn.ExecContext(ctx, sqlPutPosition, unsigned(uint64(tx.position))); err != nil {
			return nil, err
		}
	}
	return w.directory.closeRun(ctx, w.conn)
}

// reset makes the connection usable after a failed commit. Where it cannot, the
// next commit tries again and says why it cannot.
func (w *writer) reset(ctx context.Context) {
	_ = w.closeAppenders() // of an appender that failed, it reports the failure again
	_, _ = w.conn.ExecContext(ctx, "ROLLBACK")
	_ = w.openAppenders()
}

// append appends the rows of a table that are not there yet.
func (w *writer) append(ctx context.Context, t table, group []*change, tx *transaction) error {
	var suspects []rowID // which may be stored, or stand twice in the group
	n := 0
	for _, c := range group {
		n += len(c.rows.of[t])
		suspects = append(suspects, w.directory.admit(c.rows.of[t], w.seq+uint64(n))...)
	}
	if n == 0 {
		return nil
	}
	known, err := w.known(ctx, t, suspects)
	if err != nil {
		return err
	}
	before := w.seq
	for _, c := range group {
		all := c.rows.of[t]
		if len(all) == 0 {
			continue
		}
		values := &c.rows.memory.columns[t]
		from := 0 // the first row that is not appended yet
		for i := range all {
			r := &all[i]
			if len(known) > 0 {
				if isKnown, isSuspect := known[r.id]; isSuspect {
					if isKnown {
						if err := w.appenders[t].append(values, from, i); err != nil {
							return err
						}
						from = i + 1
						continue
					}
					known[r.id] = true
				}
			}
			w.seq++
			values.setNumber(i, w.seq)
			switch t {
			case requests:
				q := kept(&c.rows.requests[i], known)
				q.seq = w.seq
				tx.written.requests = append(tx.written.requests, q)
			case spans:
				span := kept(&c.rows.spans[i], known)
				span.seq = w.seq
				tx.written.spans = append(tx.written.spans, span)
				w.note(r, c.rows.received[i], tx)
			}
		}
		if err := w.appenders[t].append(values, from, len(all)); err != nil {
			return err
		}
	}
	if w.seq == before {
		return nil
	}
	return w.appenders[t].flush()
}

// kept returns what stays in memory of a row: where others of its batch are left out, a copy, since the batch would hold theirs, too.
func kept[T any](of *T, known map[rowID]bool) *T {
	if len(known) == 0 {
		return of
	}
	own := *of
	return &own
}

// note keeps the host and service of a span where they are new.
func (w *writer) note(r *row, received time.Time, tx *transaction) {
	if _, told := tx.hosts[r.host]; r.host != "" && !told && !w.hosts[r.host] {
		tx.hosts[r.host] = w.seq
	}
	if r.service == "" {
		return
	}
	for _, s := range [...][2]string{{r.service, ""}, {r.service, r.host}} {
		if stored, ok := w.services[s]; ok && !received.Before(stored) {
			continue
		}
		if first, told := tx.services[s]; !told || received.Before(first) {
			tx.services[s] = received
		}
	}
}

// known returns for each of the ids whether it is stored.
func (w *writer) known(ctx context.Context, t table, suspects []rowID) (map[rowID]bool, error) {
	if len(suspects) == 0 {
		return nil, nil
	}
	known := make(map[rowID]bool, len(suspects))
	ids := make([]uint64, len(suspects))
	traces := make([]string, len(suspects))
	keys := make([]key, len(suspects))
	for i, k := range suspects {
		known[k] = false
		ids[i], traces[i] = k.id, k.trace.String()
		if t == spans {
			keys[i] = spanKey(k.trace, k.id)
		} else {
			keys[i] = idKey(idKeys[t], k.id)
		}
	}
	for _, r := range w.directory.find(keys...) {
		var found []rowID
		var err error
		if t == spans {
			found, err = collect(ctx, w.conn, func(k *rowID) []any { return []any{(*traceColumn)(&k.trace), &k.id} },
				sqlKnownSpans, unsigned(r.first), unsigned(r.last), traces, ids)
		} else {
			found, err = collect(ctx, w.conn, func(k *rowID) []any { return []any{&k.id} },
				fmt.Sprintf(sqlKnown, tableNames[t]), unsigned(r.first), unsigned(r.last), ids)
		}
		if err != nil {
			return nil, err
		}
		for _, k := range found {
			known[k] = true
		}
	}
	return known, nil
}

// putNames stores the hosts and services that a transaction has seen.
func (w *writer) putNames(ctx context.Context, tx *transaction) error {
	if len(tx.hosts) > 0 {
		var hosts []string
		var seqs []uint64
		for h, seq := range tx.hosts {
			hosts, seqs = append(hosts, h), append(seqs, seq)
		}
		if _, err := w.conn.ExecContext(ctx, sqlPutHosts, hosts, seqs); err != nil {
			return fmt.Errorf("hosts: %w", err)
		}
	}
	for s, received := range tx.services {
		if _, err := w.conn.ExecContext(ctx, sqlPutService, s[0], s[1], clampNanos(received)); err != nil {
			return fmt.Errorf("services: %w", err)
		}
	}
	return nil
}
