package duckdb

import (
	"encoding/binary"
	"errors"
	"math"
	"time"

	"github.com/duckdb/duckdb-go/v2/mapping"
)

// columns are rows of one table, column by column as in schema.sql, each row's values put one after the other. They are in the
// form of DuckDB's vectors, so that the writer only copies them (see appender.go); but they hold no pointers: a text is a
// place in texts.
type columns struct {
	of    []column
	texts []byte
	at    int   // the column that takes the next value
	err   error // the first
}

// column is the values of a column.
type column struct {
	kind   mapping.Type
	values []byte // one after the other, each as wide as widthOf says
	set    []bool // which values are not NULL; empty where all are so
}

// Of a text, its column holds the offset in texts and the length.
const (
	placeBytes = 8
	lengthBits = 32
)

var errTexts = errors.New("the texts of a table's rows exceed 4 GiB")

// widthOf returns the bytes of a value among the values of a column; 0 for types that no table has.
func widthOf(kind mapping.Type) int {
	switch kind {
	case mapping.TypeBoolean, mapping.TypeTinyInt, mapping.TypeUTinyInt:
		return 1
	case mapping.TypeSmallInt:
		return 2
	case mapping.TypeInteger, mapping.TypeUInteger:
		return 4
	case mapping.TypeBigInt, mapping.TypeUBigInt, mapping.TypeDouble:
		return 8
	case mapping.TypeVarchar, mapping.TypeBlob:
		return placeBytes
	case mapping.TypeUUID:
		return 16
	default:
		return 0
	}
}

// reset takes out all rows; the memory stays for the next.
func (c *columns) reset() {
	for i := range c.of {
		of := &c.of[i]
		of.values, of.set = of.values[:0], of.set[:0]
	}
	c.texts, c.at, c.err = c.texts[:0], 0, nil
}

// endRow says that a row has all its values.
func (c *columns) endRow() { c.at = 0 }

// next returns the column of the next value.
func (c *columns) next(kind mapping.Type) *column {
	if c.at == len(c.of) {
		c.of = append(c.of, column{kind: kind})
	}
	c.at++
	return &c.of[c.at-1]
}

func (c *columns) fail(err error) {
	if c.err == nil {
		c.err = err
	}
}

// text puts texts in UTF-8: bytes that are not become U+FFFD. One that the row before has too is not kept twice.
func (c *columns) text(all ...string) {
	for _, s := range all {
		to := c.next(mapping.TypeVarchar)
		if n := len(to.values); n > 0 {
			last := binary.NativeEndian.Uint64(to.values[n-placeBytes:])
			if string(textAt(c.texts, last)) == s {
				to.values = binary.NativeEndian.AppendUint64(to.values, last)
				continue
			}
		}
		c.putText(to, valid(s))
	}
}

// blob puts bytes, which are made of some parts.
func (c *columns) blob(parts ...string) { c.putText(c.next(mapping.TypeBlob), parts...) }

// putText puts a text that is made of some parts.
func (c *columns) putText(to *column, parts ...string) {
	length := 0
	for _, s := range parts {
		length += len(s)
	}
	if len(c.texts)+length > math.MaxUint32 {
		c.fail(errTexts)
		length, parts = 0, nil
	}
	to.values = binary.NativeEndian.AppendUint64(to.values, uint64(len(c.texts))<<lengthBits|uint64(length))
	for _, s := range parts {
		c.texts = append(c.texts, s...)
	}
}

// textAt returns the text at a place.
func textAt(texts []byte, place uint64) []byte {
	offset, length := place>>lengthBits, place&(1<<lengthBits-1)
	return texts[offset : offset+length]
}

func (c *columns) time(t time.Time) {
	n, err := nanos(t)
	if err != nil {
		c.fail(err)
	}
	c.int64s(n)
}

func (c *columns) durations(all ...time.Duration) {
	for _, d := range all {
		c.int64s(int64(d))
	}
}

func (c *columns) int64s(all ...int64) {
	for _, n := range all {
		to := c.next(mapping.TypeBigInt)
		to.values = binary.NativeEndian.AppendUint64(to.values, uint64(n)) //nolint:gosec // its bits
	}
}

func (c *columns) uint64(n uint64) {
	to := c.next(mapping.TypeUBigInt)
	to.values = binary.NativeEndian.AppendUint64(to.values, n)
}

func (c *columns) double(x float64) {
	to := c.next(mapping.TypeDouble)
	to.values = binary.NativeEndian.AppendUint64(to.values, math.Float64bits(x))
}

func (c *columns) uint32(n uint32) {
	to := c.next(mapping.TypeUInteger)
	to.values = binary.NativeEndian.AppendUint32(to.values, n)
}

func (c *columns) int16(n int16) {
	to := c.next(mapping.TypeSmallInt)
	to.values = binary.NativeEndian.AppendUint16(to.values, uint16(n)) //nolint:gosec // its bits
}

func (c *columns) uint8(n uint8) {
	to := c.next(mapping.TypeUTinyInt)
	to.values = append(to.values, n)
}

func (c *columns) int8(n int8) {
	to := c.next(mapping.TypeTinyInt)
	to.values = append(to.values, byte(n)) //nolint:gosec // its bits
}

func (c *columns) bool(b bool) { c.next(mapping.TypeBoolean).putBool(b) }

func (c *column) putBool(b bool) {
	var n byte
	if b {
		n = 1
	}
	c.values = append(c.values, n)
}

// optionalBool and the like put NULL where there is no value; for ids that is zero.
func (c *columns) optionalBool(b *bool) {
	to := c.next(mapping.TypeBoolean)
	to.set = append(to.set, b != nil)
	to.putBool(orZero(b))
}

func (c *columns) optionalInt64(n *int64) {
	to := c.next(mapping.TypeBigInt)
	to.set = append(to.set, n != nil)
	to.values = binary.NativeEndian.AppendUint64(to.values, uint64(orZero(n))) //nolint:gosec // its bits
}

func (c *columns) optionalInt16(n int16, ok bool) {
	to := c.next(mapping.TypeSmallInt)
	to.set = append(to.set, ok)
	to.values = binary.NativeEndian.AppendUint16(to.values, uint16(n)) //nolint:gosec // its bits
}

func (c *columns) optionalInt32(n *int32) {
	to := c.next(mapping.TypeInteger)
	to.set = append(to.set, n != nil)
	to.values = binary.NativeEndian.AppendUint32(to.values, uint32(orZero(n))) //nolint:gosec // its bits
}

func orZero[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

func (c *columns) optionalID(id [8]byte) {
	to := c.next(mapping.TypeUBigInt)
	to.set = append(to.set, id != [8]byte{})
	to.values = binary.NativeEndian.AppendUint64(to.values, number(id))
}

func (c *columns) optionalTrace(id [16]byte) {
	to := c.next(mapping.TypeUUID)
	to.set = append(to.set, id != [16]byte{})
	to.putUUID(id)
}

func (c *columns) trace(id [16]byte) { c.next(mapping.TypeUUID).putUUID(id) }

// putUUID puts an id as DuckDB holds a UUID: a number of 128 bits with its sign turned, so that it has the order of the ids.
func (c *column) putUUID(id [16]byte) {
	c.values = binary.NativeEndian.AppendUint64(c.values, binary.BigEndian.Uint64(id[8:]))
	c.values = binary.NativeEndian.AppendUint64(c.values, binary.BigEndian.Uint64(id[:8])^1<<63)
}

// setNumber replaces the value of a row in the first column, which is one of UBIGINT.
func (c *columns) setNumber(row int, n uint64) {
	binary.NativeEndian.PutUint64(c.of[0].values[8*row:], n)
}
