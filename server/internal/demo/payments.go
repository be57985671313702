package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// payments is a backend on an origin of its own that the page calls directly.
// It allows the shop's pages to send the two trace context headers, which is
// what linking across origins needs.
type payments struct {
	telemetry *telemetry
	origin    string // whose pages may call it
	receipts  atomic.Int64
}

type paymentMethod struct {
	ID    string `json:"id"`
	Label string `json:"label"`
}

var paymentMethods = []paymentMethod{
	{"card", "Card"},
	{"transfer", "Bank transfer"},
	{"giftcard", "Gift card"},
}

// plantedError is the message of the error that the shop's page does not catch where a voucher fails.
const plantedError = "payments: the table vouchers does not exist"

// failingSpan is the name of the span in which redeeming a voucher fails.
const failingSpan = "SELECT vouchers"

// maxBody bounds the bodies that the demo's backends read.
const maxBody = 16 << 10

func (p *payments) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /methods", p.listMethods)
	mux.HandleFunc("POST /pay", p.pay)
	mux.HandleFunc("GET /vouchers/{code}", p.redeemVoucher)
	return p.cors(p.telemetry.instrumentLinked(mux))
}

// cors answers preflights and lets the shop's pages read the answers (WHATWG
// Fetch, CORS protocol).
func (p *payments) cors(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Add("Vary", "Origin")
		if r.Header.Get("Origin") == p.origin {
			h.Set("Access-Control-Allow-Origin", p.origin)
		}
		if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
			h.Set("Access-Control-Allow-Methods", "GET, POST")
			h.Set("Access-Control-Allow-Headers", "content-type, traceparent, tracestate")
			h.Set("Access-Control-Max-Age", "600")
			w.WriteHeader(http.StatusNoContent)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (p *payments) listMethods(w http.ResponseWriter, r *http.Request) {
	if err := p.step(r.Context(), "payments.methods", 3*time.Millisecond); err != nil {
		writeError(w, http.StatusServiceUnavailable, err)
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"methods": paymentMethods})
}

func (p *payments) pay(w http.ResponseWriter, r *http.Request) {
	var order struct {
		AmountCents int64  `json:"amount_cents"`
		Method      string `json:"method"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&order); err != nil {
		writeError(w, http.StatusBadRequest, errors.New("the body is not a JSON payment"))
		return
	}
	if order.AmountCents <= 0 || !knownMethod(order.Method) {
		writeError(w, http.StatusUnprocessableEntity, errors.New("a payment needs a positive amount_cents and a known method"))
		return
	}

	amount := attribute.Int64("payment.amount_cents", order.AmountCents)
	method := attribute.String("payment.method", order.Method)
	if err := p.step(r.Context(), "fraud.check", 7*time.Millisecond, amount, method); err != nil {
		writeError(w, http.StatusServiceUnavailable, err)
		return
	}
	if err := p.step(r.Context(), "INSERT payments", 5*time.Millisecond,
		semconv.DBSystemNameOtherSQL,
		semconv.DBOperationName("INSERT"),
		semconv.DBCollectionName("payments"),
		semconv.DBQueryText("INSERT INTO payments (amount_cents, method) VALUES (?, ?)"),
	); err != nil {
		writeError(w, http.StatusServiceUnavailable, err)
		return
	}
	writeJSON(w, http.StatusCreated, map[string]string{
		"receipt": fmt.Sprintf("R-%06d", p.receipts.Add(1)),
		"amount":  euros(order.AmountCents),
	})
}

// errVouchers is why no voucher can be redeemed, whatever its code: an error on purpose, which a person can follow
// from the page, which shows plantedError, to the span that failed.
var errVouchers = errors.New("the table vouchers does not exist")

// redeemVoucher fails in a span of its own.
func (p *payments) redeemVoucher(w http.ResponseWriter, r *http.Request) {
	_, span := p.telemetry.tracer.Start(r.Context(), failingSpan, trace.WithAttributes(
		semconv.DBSystemNameOtherSQL,
		semconv.DBOperationName("SELECT"),
		semconv.DBCollectionName("vouchers"),
		semconv.DBQueryText("SELECT cents FROM vouchers WHERE code = ?"),
	))
	defer span.End()
	fail(span, errVouchers)
	writeError(w, http.StatusInternalServerError, errVouchers)
}

func (p *payments) step(ctx context.Context, name string, took time.Duration, attrs ...attribute.KeyValue) error {
	ctx, span := p.telemetry.tracer.Start(ctx, name, trace.WithAttributes(attrs...))
	defer span.End()
	if err := wait(ctx, took); err != nil {
		fail(span, err)
		return err
	}
	return nil
}

func knownMethod(id string) bool {
	for _, m := range paymentMethods {
		if m.ID == id {
			return true
		}
	}
	return false
}
