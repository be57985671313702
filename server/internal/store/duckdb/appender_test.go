package duckdb

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/duckdb/duckdb-go/v2/mapping"
	"github.com/google/go-cmp/cmp"
)

// everyType is a row of a table with all types that tables of events have.
type everyType struct {
	Seq    uint64
	Text   string
	Blob   string
	Trace  [16]byte
	ID     [8]byte
	N      int64
	X      float64
	Flags  uint32
	Small  int16
	Tiny   int8
	Yes    bool
	Maybe  *bool
	Option *int32
}

const everyTypeTable = `CREATE TABLE every_type (seq UBIGINT NOT NULL, text VARCHAR NOT NULL, blob BLOB NOT NULL, trace UUID,
	id UBIGINT, n BIGINT NOT NULL, x DOUBLE NOT NULL, flags UINTEGER NOT NULL, small SMALLINT NOT NULL, tiny TINYINT NOT NULL,
	yes BOOLEAN NOT NULL, maybe BOOLEAN, option INTEGER)`

func (v *everyType) put(c *columns) {
	c.uint64(v.Seq)
	c.text(v.Text)
	c.blob(v.Blob[:len(v.Blob)/2], v.Blob[len(v.Blob)/2:])
	c.optionalTrace(v.Trace)
	c.optionalID(v.ID)
	c.int64s(v.N)
	c.double(v.X)
	c.uint32(v.Flags)
	c.int16(v.Small)
	c.int8(v.Tiny)
	c.bool(v.Yes)
	c.optionalBool(v.Maybe)
	c.optionalInt32(v.Option)
	c.endRow()
}

// everyTypes returns rows with values and without, and texts of the lengths about which their form in memory changes.
func everyTypes(n int) []everyType {
	all := make([]everyType, n)
	for i := range all {
		k := i + 1
		all[i] = everyType{
			Seq: uint64(k), Text: strings.Repeat("tä", k%7) + strings.Repeat("x", k%3), Blob: strings.Repeat("b", k%40), N: -int64(k),
			X: 1 / float64(k), Flags: uint32(k), Small: int16(-k), Tiny: int8(k), Yes: k%2 == 0,
		}
		if k%3 > 0 {
			yes, option := k%2 > 0, int32(-k)
			all[i].Trace, all[i].ID = [16]byte{byte(k), 7: 1, 8: 2, 15: byte(k >> 8)}, [8]byte{0: 0xff, 7: byte(k) | 1}
			all[i].Maybe, all[i].Option = &yes, &option
		}
	}
	return all
}

// testAppender returns a connection to a database with a table, and an appender to it.
func testAppender(t testing.TB, table string) (*sql.Conn, *appender) {
	t.Helper()
	s := openTest(t, filepath.Join(t.TempDir(), "test.duckdb"))
	conn, err := s.db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.ExecContext(t.Context(), everyTypeTable); err != nil {
		t.Fatal(err)
	}
	var a *appender
	err = conn.Raw(func(c any) (err error) {
		a, err = newAppender(c.(driver.Conn), "", "", table)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(a.close(), conn.Close()); err != nil {
			t.Error(err)
		}
	})
	return conn, a
}

func readEveryType(t testing.TB, conn *sql.Conn) []everyType {
	t.Helper()
	all, err := collect(t.Context(), conn, func(v *everyType) []any {
		return []any{
			&v.Seq, &v.Text, &v.Blob, (*traceColumn)(&v.Trace), (*idColumn)(&v.ID), &v.N, &v.X, &v.Flags, &v.Small, &v.Tiny,
			&v.Yes, &v.Maybe, &v.Option,
		}
	}, "SELECT * FROM every_type ORDER BY seq")
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestAppender appends rows of several columns, in pieces that do not fit a chunk, and reads them.
func TestAppender(t *testing.T) {
	conn, a := testAppender(t, "every_type")
	rows := everyTypes(7000)
	rows[3].Text, rows[4000].Blob = strings.Repeat("long", 100_000), strings.Repeat("\x00\xff", 300_000)
	var want []everyType
	var memory columns
	for _, piece := range [][3]int{{0, 3000, 1}, {3000, 3001, 0}, {3001, 7000, 5}} { // from, to, without the first so many
		memory.reset()
		for i := piece[0]; i < piece[1]; i++ {
			rows[i].put(&memory)
		}
		if memory.err != nil {
			t.Fatal(memory.err)
		}
		want = append(want, rows[piece[0]+piece[2]:piece[1]]...)
		for at := piece[2]; at < piece[1]-piece[0]; at += 1500 {
			if err := a.append(&memory, at, min(at+1500, piece[1]-piece[0])); err != nil {
				t.Fatal(err)
			}
		}
		if err := a.flush(); err != nil {
			t.Fatal(err)
		}
		clear(memory.texts[:cap(memory.texts)]) // it is the caller's again
	}
	if d := cmp.Diff(want, readEveryType(t, conn)); d != "" {
		t.Errorf("rows (-want +got):\n%.2000s", d)
	}
}

// TestAppenderRefuses gives a table what it does not have, or not so.
func TestAppenderRefuses(t *testing.T) {
	_, a := testAppender(t, "every_type")
	row := everyTypes(1)[0]
	for name, spoil := range map[string]func(*columns){
		"a column too many":     func(c *columns) { c.at = len(c.of); c.bool(true) },
		"a column too few":      func(c *columns) { c.of = c.of[:len(c.of)-1] },
		"another type":          func(c *columns) { c.of[5].kind = mapping.TypeUBigInt },
		"a column of fewer":     func(c *columns) { c.of[5].values = c.of[5].values[:7] },
		"NULLs of fewer values": func(c *columns) { c.of[3].set = c.of[3].set[:1] },
	} {
		var c columns
		for range 2 {
			row.put(&c)
		}
		spoil(&c)
		if err := a.append(&c, 0, 2); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	var c columns
	row.put(&c)
	c.of[5].set = []bool{false} // which the table has NOT NULL
	if err := errors.Join(a.append(&c, 0, 1), a.flush()); err == nil {
		t.Error("NULL where the table has none: no error")
	}
	if _, err := newAppender(nil, "", "", "every_type"); !errors.Is(err, errDriver) {
		t.Errorf("another driver: %v, want %v", err, errDriver)
	}
}

// FuzzAppendText appends any text, among others.
func FuzzAppendText(f *testing.F) {
	for _, seed := range []string{"", "twelve bytes", "thirteen byte", "\x00", "a\xffb", strings.Repeat("ä", 5000), "\ufffd"} {
		f.Add(seed, seed+"x", uint8(3))
	}
	conn, a := testAppender(f, "every_type")
	f.Fuzz(func(t *testing.T, one, other string, n uint8) {
		var c columns
		var want []everyType
		for i := range int(n) {
			v := everyType{Seq: uint64(i), Text: one, Blob: other}
			if i%3 == 2 {
				v.Text, v.Blob = other, one
			}
			v.put(&c)
			v.Text = valid(v.Text)
			want = append(want, v)
		}
		if err := a.append(&c, 0, int(n)); err != nil && n > 0 {
			t.Fatal(err)
		}
		if err := a.flush(); err != nil {
			t.Fatal(err)
		}
		if got := readEveryType(t, conn); !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		if _, err := conn.ExecContext(t.Context(), "DELETE FROM every_type"); err != nil {
			t.Fatal(err)
		}
	})
}

// TestEncodeAllocations: a batch takes an allocation for each request, and for each distinct name that spans have.
func TestEncodeAllocations(t *testing.T) {
	b := newTraffic(1).batch(4000)
	e := new(encoder)
	if _, err := encode(b, 0, e); err != nil { // which makes the memory
		t.Fatal(err)
	}
	n := testing.AllocsPerRun(5, func() {
		if _, err := encode(b, 0, e); err != nil {
			t.Fatal(err)
		}
	})
	const most = 2500 // of them nearly all for the names that are kept of spans
	if n > most {
		t.Errorf("%v allocations for 4000 rows, want at most %d", n, most)
	}
}
