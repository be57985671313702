package ingest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/throughline-rum/throughline/server/internal/model"
)

// The kinds of records in the journal.
const (
	RecordBeacon byte = 1 // a beacon in JSON, as received; written by versions before RecordEvents
	RecordTraces byte = 2 // an ExportTraceServiceRequest in protobuf
	RecordEvents byte = 3 // the events of a beacon that were good, as eventsCodec writes them
)

// A record is a version byte, when it was received (ns since 1970, eight bytes, the
// highest first), the length of the facts (a varint), the facts, and the body. The facts
// tell of the sender: each is a number (one byte), a length (a varint) and a text. Numbers
// that a reader does not know are left out.
const recordVersion = 1

// The facts of a sender.
const (
	factBrowser byte = iota + 1
	factBrowserVersion
	factOS
	factDevice
	factCountry
	factAddress
)

// maxFactBytes bounds the text of one fact; what is longer is cut.
const maxFactBytes = 128

var errRecord = errors.New("the record is not of a version and kind that this server reads; start the version that wrote it")

// recordHeader is what a record tells beside the body.
type recordHeader struct {
	received time.Time
	client   model.Client
}

// facts returns the client's fields by their number.
func facts(c *model.Client) [factAddress + 1]*string {
	return [...]*string{
		factBrowser: &c.Browser, factBrowserVersion: &c.BrowserVersion, factOS: &c.OS, factDevice: &c.Device,
		factCountry: &c.Country, factAddress: &c.Address,
	}
}

// appendRecord writes a record up to its body.
func appendRecord(b []byte, h *recordHeader) []byte {
	b = append(b, recordVersion)
	b = binary.BigEndian.AppendUint64(b, uint64(h.received.UnixNano()))
	var list []byte
	for number, text := range facts(&h.client) {
		if text == nil || *text == "" {
			continue
		}
		fact := (*text)[:min(len(*text), maxFactBytes)]
		list = append(list, byte(number))
		list = binary.AppendUvarint(list, uint64(len(fact)))
		list = append(list, fact...)
	}
	b = binary.AppendUvarint(b, uint64(len(list)))
	return append(b, list...)
}

// parseRecord reads a record. The body is part of it.
func parseRecord(record []byte) (h recordHeader, body []byte, err error) {
	if len(record) < 9 || record[0] != recordVersion {
		return h, nil, errRecord
	}
	h.received = time.Unix(0, int64(binary.BigEndian.Uint64(record[1:]))).UTC() //nolint:gosec // as it was written
	list, body, ok := cutCounted(record[9:])
	if !ok {
		return h, nil, errRecord
	}
	known := facts(&h.client)
	all := string(list) // the texts are parts of it
	for at := 0; at < len(list); {
		number := list[at]
		text, rest, ok := cutCounted(list[at+1:])
		if !ok {
			return h, nil, errRecord
		}
		at = len(list) - len(rest)
		if int(number) < len(known) && known[number] != nil {
			*known[number] = all[at-len(text) : at]
		}
	}
	return h, body, nil
}

// cutCounted splits b after the bytes that a varint at its beginning counts.
func cutCounted(b []byte) (counted, rest []byte, ok bool) {
	size, n := binary.Uvarint(b)
	if n <= 0 || size > uint64(len(b[n:])) {
		return nil, nil, false
	}
	b = b[n:]
	return b[:size], b[size:], true
}

// kindError reports a record of a kind that is not known.
func kindError(kind byte) error { return fmt.Errorf("a record of kind %d: %w", kind, errRecord) }
