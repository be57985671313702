package duckdb

import (
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"unsafe"

	"github.com/duckdb/duckdb-go/v2"
	"github.com/duckdb/duckdb-go/v2/mapping"
)

// The driver's own appender takes a row as a list of values in boxes, and calls into C for each text. This one copies whole
// columns into the memory of a data chunk, which it hands to DuckDB once for some 2,000 rows (ADR-9). All that is unsafe in
// this package stands in this file, and holds for these reasons:
//
//   - A vector's memory is DuckDB's, for as many values as VectorSize says; it lives and stays in its place until the chunk is
//     destroyed, since the chunk is never reset. It is reached as slices of that length, so that Go checks every access.
//   - Types are compared with those of the table before anything is copied: a value is as wide as its vector says.
//   - A text of more than 12 bytes is pointed to. What is pointed to is pinned from before the pointer is made until the
//     chunk has been handed over, which copies the texts, or the chunk is emptied.
type appender struct {
	appender mapping.Appender
	chunk    mapping.DataChunk
	vectors  []vector
	rows     int            // in the chunk
	pinned   runtime.Pinner // what texts in the chunk point to
}

// vector is a column of the chunk.
type vector struct {
	of     mapping.Vector
	kind   mapping.Type
	values []byte
	valid  []uint64 // a bit for each value that is not NULL; nil where none was NULL so far
}

// errDriver says that the driver is another than this file was written for.
var errDriver = errors.New("the driver's connection does not hold DuckDB's in the field conn")

// newAppender returns an appender to a table; an empty catalog and schema stand for the ones in use.
func newAppender(c driver.Conn, catalog, schema, table string) (_ *appender, err error) {
	conn, err := connectionOf(c)
	if err != nil {
		return nil, err
	}
	a := new(appender)
	if mapping.AppenderCreateExt(conn, catalog, schema, table, &a.appender) == mapping.StateError {
		err := a.failure()
		mapping.AppenderDestroy(&a.appender)
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.close())
		}
	}()
	var types []mapping.LogicalType
	defer func() {
		for i := range types {
			mapping.DestroyLogicalType(&types[i])
		}
	}()
	for i := range mapping.AppenderColumnCount(a.appender) {
		t := mapping.AppenderColumnType(a.appender, i)
		types = append(types, t)
		kind := mapping.GetTypeId(t)
		if widthOf(kind) == 0 {
			return nil, fmt.Errorf("column %d of the table %s has a type that cannot be appended", i, table)
		}
		a.vectors = append(a.vectors, vector{kind: kind})
	}
	a.chunk = mapping.CreateDataChunk(types)
	if a.chunk.Ptr == nil {
		return nil, errors.New("DuckDB gives no data chunk")
	}
	n := int(mapping.VectorSize()) //nolint:gosec // 2048
	for i := range a.vectors {
		v := &a.vectors[i]
		v.of = mapping.DataChunkGetVector(a.chunk, mapping.IdxT(i))
		v.values = unsafe.Slice((*byte)(mapping.VectorGetData(v.of)), n*v.width()) //nolint:gosec // see above
	}
	return a, nil
}

// connectionOf returns the connection of DuckDB that one of the driver stands for. The driver does not give it
// away, and the appenders that it gives have the rows in boxes.
func connectionOf(c driver.Conn) (conn mapping.Connection, err error) {
	of, ok := c.(*duckdb.Conn)
	if !ok || of == nil {
		return conn, errDriver
	}
	field := reflect.ValueOf(of).Elem().FieldByName("conn")
	if !field.IsValid() || field.Type() != reflect.TypeFor[mapping.Connection]() {
		return conn, errDriver
	}
	conn.Ptr = field.FieldByName("Ptr").UnsafePointer()
	if conn.Ptr == nil {
		return conn, errDriver
	}
	return conn, nil
}

// width returns the bytes of a value in the vector.
func (v *vector) width() int {
	if v.isText() {
		return textBytes
	}
	return widthOf(v.kind)
}

func (v *vector) isText() bool { return v.kind == mapping.TypeVarchar || v.kind == mapping.TypeBlob }

// append adds the rows from one on to before another. They may not change before the next flush or clear.
func (a *appender) append(c *columns, from, to int) error {
	if err := a.fits(c, to); err != nil {
		return err
	}
	size := int(mapping.VectorSize()) //nolint:gosec // 2048
	for from < to {
		if a.rows == size {
			if err := a.send(); err != nil {
				return err
			}
		}
		if len(c.texts) > 0 {
			a.pinned.Pin(&c.texts[0])
		}
		n := min(to-from, size-a.rows)
		for i := range a.vectors {
			a.vectors[i].put(a.rows, &c.of[i], from, from+n, c.texts)
		}
		a.rows += n
		from += n
	}
	return nil
}

// fits reports an error where there are not so many rows in columns, or they are not those of the table.
func (a *appender) fits(c *columns, rows int) error {
	if len(c.of) != len(a.vectors) {
		return fmt.Errorf("%d columns are given to a table of %d", len(c.of), len(a.vectors))
	}
	for i := range a.vectors {
		of, kind := &c.of[i], a.vectors[i].kind
		if of.kind != kind || len(of.values) < rows*widthOf(kind) || len(of.set) > 0 && len(of.set) < rows {
			return fmt.Errorf("column %d is not as in the table", i)
		}
	}
	return nil
}

// put copies the rows from one on to before another to a place in the vector.
func (v *vector) put(at int, c *column, from, to int, texts []byte) {
	if v.isText() {
		for i := from; i < to; i++ {
			place := binary.NativeEndian.Uint64(c.values[placeBytes*i:])
			putText((*[textBytes]byte)(v.values[textBytes*(at+i-from):]), textAt(texts, place))
		}
	} else {
		width := widthOf(v.kind)
		copy(v.values[width*at:], c.values[width*from:width*to])
	}
	if len(c.set) == 0 {
		return
	}
	if v.valid == nil {
		mapping.VectorEnsureValidityWritable(v.of)
		v.valid = unsafe.Slice((*uint64)(mapping.VectorGetValidity(v.of)), (int(mapping.VectorSize())+63)/64) //nolint:gosec // 2048
	}
	for i, set := range c.set[from:to] {
		word, bit := &v.valid[(at+i)/64], uint64(1)<<((at+i)%64)
		if set {
			*word |= bit
		} else {
			*word &^= bit
		}
	}
}

// A text in a vector (duckdb_string_t) is its length in 4 bytes, and up to inlineBytes of it; of a longer one the
// first 4 bytes and a pointer to all of it.
const (
	textBytes   = 16
	inlineBytes = 12
)

// putText writes a text that is pinned where it is longer than inlineBytes.
func putText(to *[textBytes]byte, text []byte) {
	binary.NativeEndian.PutUint32(to[:4], uint32(len(text))) //nolint:gosec // a place has 32 bits for it
	if len(text) <= inlineBytes {
		clear(to[4+copy(to[4:], text):])
		return
	}
	copy(to[4:8], text)
	binary.NativeEndian.PutUint64(to[8:], uint64(uintptr(unsafe.Pointer(&text[0])))) //nolint:gosec // see above
}

// send hands the chunk to DuckDB.
func (a *appender) send() error {
	if a.rows == 0 {
		return nil
	}
	mapping.DataChunkSetSize(a.chunk, mapping.IdxT(a.rows)) //nolint:gosec // at most 2048
	state := mapping.AppendDataChunk(a.appender, a.chunk)
	a.empty()
	if state == mapping.StateError {
		return a.failure()
	}
	return nil
}

// empty forgets the rows of the chunk.
func (a *appender) empty() {
	a.rows = 0
	a.pinned.Unpin()
}

// flush writes what was appended into the table, within the transaction that is open. After an error the appender can only be
// closed.
func (a *appender) flush() error {
	if err := a.send(); err != nil {
		return err
	}
	if mapping.AppenderFlush(a.appender) == mapping.StateError {
		return a.failure()
	}
	return nil
}

// failure is what DuckDB says that went wrong, in the driver's form.
func (a *appender) failure() error {
	data := mapping.AppenderErrorData(a.appender)
	defer mapping.DestroyErrorData(&data)
	return &duckdb.Error{Type: duckdb.ErrorType(mapping.ErrorDataErrorType(data)), Msg: mapping.ErrorDataMessage(data)}
}

// close frees the appender. What was not flushed is dropped.
func (a *appender) close() error {
	a.empty()
	var err error
	if a.appender.Ptr != nil {
		if mapping.AppenderClear(a.appender) == mapping.StateError {
			err = a.failure()
		}
		mapping.AppenderDestroy(&a.appender) // it would report the failure of a flush again
	}
	if a.chunk.Ptr != nil {
		mapping.DestroyDataChunk(&a.chunk)
	}
	a.vectors = nil
	return err
}
