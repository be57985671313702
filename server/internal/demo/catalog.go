package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// product is an article of the shop, as the catalog's JSON has it.
type product struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Tagline     string `json:"tagline"`
	Description string `json:"description"`
	Category    string `json:"category"`
	Unit        string `json:"unit"`
	PriceCents  int64  `json:"price_cents"`
	ImageAlt    string `json:"image_alt"`
}

// Image is the path of the product's picture.
func (p product) Image() string { return "/static/products/" + p.ID + ".svg" }

// Price is the price as people write it.
func (p product) Price() string { return euros(p.PriceCents) }

// CategoryPath is the path of the page of the product's category.
func (p product) CategoryPath() string { return "/category/" + strings.ToLower(p.Category) }

// Broken tells the product whose page fails on purpose.
func (p product) Broken() bool { return p.ID == brokenProduct }

func euros(cents int64) string { return fmt.Sprintf("€%d.%02d", cents/100, cents%100) }

// stock is how much of a product there is.
type stock struct {
	ID       string `json:"id"`
	Quantity int    `json:"quantity"`
	Place    string `json:"place"`
}

// brokenProduct is listed like any other; asking for it fails, so that a person
// can see an error on both sides of a link.
const brokenProduct = "mystery-parcel"

var (
	errNoPrice   = errors.New("the product has no price")
	errNoProduct = errors.New("no such product")
)

// productList is the catalog's answer to GET /products.
type productList struct {
	Products []product `json:"products"`
}

var assortment = []product{
	{"merino-skein", "Merino skein, fern", "Soft, round and hard to put down", "Two-ply merino from a single flock in the Ardennes, dyed in small lots with weld and indigo. No two lots are quite alike, so buy enough for the sleeves.", "Yarn", "100 g", 1450, "A skein of green yarn"},
	{"linen-thread", "Linen thread, undyed", "Strong enough for books and boots", "Long-staple Flemish flax, wet spun and lightly waxed. Binds books, sews leather and outlives most of what it mends.", "Thread", "90 m", 620, "A wooden spool of pale thread"},
	{"tailors-shears", "Tailor's shears", "Cut to the very tip", "Drop-forged, hand-ground blades with an adjustable pivot. They arrive sharp, and we sharpen them again for as long as you own them.", "Tools", "21 cm", 3800, "A pair of shears with brass handles"},
	{"bamboo-needles", "Bamboo needles", "Warm, light and quiet", "A pair of straight needles from seasoned bamboo, polished by hand. Quiet enough for meetings with the camera on.", "Tools", "4 mm", 990, "Two knitting needles, crossed"},
	{"corozo-buttons", "Corozo buttons", "Grown, not moulded", "Turned from the nut of the tagua palm: the grain is real, the colour goes all the way through, and they survive the wash.", "Notions", "set of 6", 740, "Six round buttons"},
	{"silver-thimble", "Dimpled thimble", "For fingers with plans", "Spun from nickel silver and dimpled one row at a time. Three sizes; the middle one fits nearly everybody.", "Notions", "size M", 1100, "A silver thimble"},
	{"mending-kit", "Visible mending kit", "Make the hole the best part", "Six cards of sashiko cotton, two long needles, a palm guard, and a booklet of eight patterns that turn a worn elbow into a reason to wear it.", "Kits", "6 colours", 2400, "A mending kit with cards of coloured thread"},
	{brokenProduct, "Mystery parcel", "Breaks on purpose", "Nobody has ever seen what is inside.", "Kits", "1 parcel", 0, "A parcel tied with string"},
}

// stockOf is made up, and always the same for a product.
func stockOf(p product) stock {
	places := []string{"Ghent workshop", "Porto warehouse", "Leith shop floor"}
	n := 0
	for _, c := range []byte(p.ID) {
		n = (n*31 + int(c)) % 9973
	}
	return stock{ID: p.ID, Quantity: 3 + n%38, Place: places[n%len(places)]}
}

// catalog is the backend behind the shop's backend. No browser calls it.
type catalog struct{ telemetry *telemetry }

func (c *catalog) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /products", c.listProducts)
	mux.HandleFunc("GET /products/{id}", c.getProduct)
	mux.HandleFunc("GET /stock", c.getStock)
	return c.telemetry.instrument(mux)
}

// listProducts answers with all products, or with those of one category.
func (c *catalog) listProducts(w http.ResponseWriter, r *http.Request) {
	found, text := assortment, "SELECT * FROM products ORDER BY position"
	if name := r.URL.Query().Get("category"); name != "" {
		text = "SELECT * FROM products WHERE category = ? ORDER BY position"
		found = slices.DeleteFunc(slices.Clone(assortment), func(p product) bool { return p.Category != name })
	}
	if err := c.query(r.Context(), "SELECT", "products", text, len(found), 6*time.Millisecond); err != nil {
		writeError(w, http.StatusServiceUnavailable, err)
		return
	}
	writeJSON(w, http.StatusOK, productList{found})
}

func (c *catalog) getProduct(w http.ResponseWriter, r *http.Request) {
	p, ok := find(r.PathValue("id"))
	if err := c.query(r.Context(), "SELECT", "products", "SELECT * FROM products WHERE id = ?", count(ok), 4*time.Millisecond); err != nil {
		writeError(w, http.StatusServiceUnavailable, err)
		return
	}
	if !ok {
		writeError(w, http.StatusNotFound, errNoProduct)
		return
	}
	if err := c.price(r.Context(), p); err != nil {
		writeError(w, http.StatusInternalServerError, err)
		return
	}
	writeJSON(w, http.StatusOK, p)
}

func (c *catalog) getStock(w http.ResponseWriter, r *http.Request) {
	p, ok := find(r.URL.Query().Get("id"))
	if err := c.query(r.Context(), "SELECT", "stock", "SELECT quantity, place FROM stock WHERE product_id = ?", count(ok), 9*time.Millisecond); err != nil {
		writeError(w, http.StatusServiceUnavailable, err)
		return
	}
	if !ok {
		writeError(w, http.StatusNotFound, errNoProduct)
		return
	}
	writeJSON(w, http.StatusOK, stockOf(p))
}

// query passes the time of a database query, in a span as a driver's
// instrumentation would write it. The database is in memory, so the span's kind
// is INTERNAL (OpenTelemetry semantic conventions, database client spans).
func (c *catalog) query(ctx context.Context, operation, table, text string, rows int, took time.Duration) error {
	ctx, span := c.telemetry.tracer.Start(ctx, operation+" "+table, trace.WithAttributes(
		semconv.DBSystemNameOtherSQL,
		semconv.DBNamespace("shop"),
		semconv.DBOperationName(operation),
		semconv.DBCollectionName(table),
		semconv.DBQueryText(text),
	))
	defer span.End()
	if err := wait(ctx, took); err != nil {
		fail(span, err)
		return err
	}
	span.SetAttributes(semconv.DBResponseReturnedRows(rows))
	return nil
}

// price works out what a product costs today, and fails on the broken one.
func (c *catalog) price(ctx context.Context, p product) error {
	_, span := c.telemetry.tracer.Start(ctx, "catalog.price", trace.WithAttributes(
		attribute.String("shop.product.id", p.ID),
	))
	defer span.End()
	if p.Broken() {
		fail(span, errNoPrice)
		return errNoPrice
	}
	span.SetAttributes(attribute.Int64("shop.product.price_cents", p.PriceCents))
	return nil
}

// fail marks a span as failed and keeps the error, with its stack, as an
// exception event.
func fail(span trace.Span, err error) {
	span.RecordError(err, trace.WithStackTrace(true))
	span.SetStatus(codes.Error, err.Error())
}

func find(id string) (product, bool) {
	i := slices.IndexFunc(assortment, func(p product) bool { return p.ID == id })
	if i < 0 {
		return product{}, false
	}
	return assortment[i], true
}

func count(found bool) int {
	if found {
		return 1
	}
	return 0
}
