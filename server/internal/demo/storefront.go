package demo

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"html/template"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

//go:embed static
var staticFiles embed.FS

//go:embed templates
var templateFiles embed.FS

// storefront is the backend that browsers open: pages, their resources and the
// JSON that their scripts fetch. It asks the catalog for everything it sells, and payments for the ways to pay.
type storefront struct {
	telemetry  *telemetry
	client     *http.Client // to the other backends
	catalogURL string
	pages      *template.Template
	site       site
	csp        string
}

// site is what every page needs to know.
type site struct {
	ServerURL     string
	ApplicationID string
	PaymentsURL   string
	PartnerURL    string
	// AllowPattern is the attribute with the origins that get trace context. It is
	// made here because html/template takes an attribute with "url" in its name for
	// a URL, and would percent-encode the regular expression.
	AllowPattern template.HTMLAttr
}

// pageData is what a template gets.
type pageData struct {
	Site     site
	Name     string // what kind of page, for script and style
	Title    string
	Products []product
	Category string // of Products, those that are shown; empty: all
	Product  product
	Status   int
	Error    string
}

func newStorefront(t *telemetry, transport http.RoundTripper, cfg Config, urls URLs) (*storefront, error) {
	pages, err := template.ParseFS(templateFiles, "templates/*.html")
	if err != nil {
		return nil, fmt.Errorf("pages: %w", err)
	}
	pattern := "^" + regexp.QuoteMeta(urls.Payments) + "/"
	return &storefront{
		telemetry:  t,
		client:     t.client(transport),
		catalogURL: urls.Catalog,
		pages:      pages,
		site: site{
			ServerURL:     cfg.ServerURL,
			ApplicationID: cfg.ApplicationID,
			PaymentsURL:   urls.Payments,
			PartnerURL:    urls.Partner,
			AllowPattern:  template.HTMLAttr(`data-cross-origin-url-pattern="` + html.EscapeString(pattern) + `"`), //nolint:gosec // escaped
		},
		csp: strings.Join([]string{
			"default-src 'none'",
			"script-src 'self' " + cfg.ServerURL,
			"style-src 'self'",
			"img-src 'self' data:",
			"connect-src 'self' " + cfg.ServerURL + " " + urls.Payments + " " + urls.Partner,
			"base-uri 'none'",
			"form-action 'none'",
			"frame-ancestors 'none'",
		}, "; "),
	}, nil
}

func (s *storefront) handler() http.Handler {
	static, err := fs.Sub(staticFiles, "static")
	if err != nil {
		panic("demo: " + err.Error()) // the embedded folder has another name
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.home)
	mux.HandleFunc("GET /category/{name}", s.category)
	mux.HandleFunc("GET /product/{id}", s.product)
	mux.HandleFunc("GET /api/products", s.apiProducts)
	mux.HandleFunc("GET /api/stock", s.apiStock)
	mux.HandleFunc("POST /api/cart", s.apiCart)
	mux.HandleFunc("POST /api/voucher", s.apiVoucher)
	mux.Handle("GET /static/", http.StripPrefix("/static/", http.FileServerFS(static)))
	mux.HandleFunc("/", s.notFound)
	return s.telemetry.instrumentLinked(s.headers(mux))
}

// headers sets what all answers have in common. Nothing is cached, so that every
// visit is a visit to the backend.
func (s *storefront) headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", s.csp)
		h.Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}

func (s *storefront) home(w http.ResponseWriter, r *http.Request) {
	var list productList
	if err := s.ask(r.Context(), "/products", nil, &list); err != nil {
		s.renderError(w, r, err)
		return
	}
	s.render(w, r, http.StatusOK, pageData{Name: "home", Title: "Bobbin, yarn and thread", Products: list.Products})
}

// category is the home page as its script shows it at this path: the path is a view within that page, until
// somebody loads it anew.
func (s *storefront) category(w http.ResponseWriter, r *http.Request) {
	var list productList
	if err := s.ask(r.Context(), "/products", nil, &list); err != nil {
		s.renderError(w, r, err)
		return
	}
	i := slices.IndexFunc(list.Products, func(p product) bool { return p.CategoryPath() == r.URL.Path })
	if i < 0 {
		s.notFound(w, r)
		return
	}
	name := list.Products[i].Category
	s.render(w, r, http.StatusOK, pageData{Name: "home", Title: name, Products: list.Products, Category: name})
}

func (s *storefront) product(w http.ResponseWriter, r *http.Request) {
	var p product
	if err := s.ask(r.Context(), "/products/"+url.PathEscape(r.PathValue("id")), nil, &p); err != nil {
		s.renderError(w, r, err)
		return
	}
	s.render(w, r, http.StatusOK, pageData{Name: "product", Title: p.Name, Product: p})
}

func (s *storefront) notFound(w http.ResponseWriter, r *http.Request) {
	s.renderError(w, r, &backendError{Status: http.StatusNotFound, Message: "there is no such page"})
}

func (s *storefront) apiProducts(w http.ResponseWriter, r *http.Request) {
	query := url.Values{}
	if category := r.URL.Query().Get("category"); category != "" {
		query.Set("category", category)
	}
	var list productList
	if err := s.ask(r.Context(), "/products", query, &list); err != nil {
		writeError(w, statusOf(err), err)
		return
	}
	writeJSON(w, http.StatusOK, list)
}

func (s *storefront) apiStock(w http.ResponseWriter, r *http.Request) {
	var st stock
	if err := s.ask(r.Context(), "/stock", url.Values{"id": {r.URL.Query().Get("id")}}, &st); err != nil {
		writeError(w, statusOf(err), err)
		return
	}
	writeJSON(w, http.StatusOK, st)
}

// cartLine is a priced line of a cart.
type cartLine struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Quantity int64  `json:"quantity"`
	Total    string `json:"total"`
}

// cartItem is a line of the cart that the page keeps.
type cartItem struct {
	ID       string `json:"id"`
	Quantity int64  `json:"quantity"`
}

// apiCart prices a cart that the page keeps, and says how it can be paid; the
// backend keeps none.
func (s *storefront) apiCart(w http.ResponseWriter, r *http.Request) {
	var cart struct {
		Items []cartItem `json:"items"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&cart); err != nil {
		writeError(w, http.StatusBadRequest, errors.New("the body is not a JSON cart"))
		return
	}
	var list productList
	if err := s.ask(r.Context(), "/products", nil, &list); err != nil {
		writeError(w, statusOf(err), err)
		return
	}
	lines, total, err := s.price(r.Context(), cart.Items, list.Products)
	if err != nil {
		writeError(w, http.StatusUnprocessableEntity, err)
		return
	}
	var offered struct {
		Methods []paymentMethod `json:"methods"`
	}
	if err := s.askBackend(r.Context(), "payments", s.site.PaymentsURL+"/methods", nil, &offered); err != nil {
		writeError(w, statusOf(err), err)
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"lines": lines, "total": euros(total), "total_cents": total, "payment_methods": offered.Methods})
}

// apiVoucher takes a voucher's code to payments, which fails on all of them.
func (s *storefront) apiVoucher(w http.ResponseWriter, r *http.Request) {
	var voucher struct {
		Code string `json:"code"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&voucher); err != nil || voucher.Code == "" {
		writeError(w, http.StatusBadRequest, errors.New("the body is not a JSON voucher"))
		return
	}
	var worth struct{}
	err := s.askBackend(r.Context(), "payments", s.site.PaymentsURL+"/vouchers/"+url.PathEscape(voucher.Code), nil, &worth)
	if err != nil {
		fail(trace.SpanFromContext(r.Context()), err)
		writeError(w, statusOf(err), err)
		return
	}
	writeJSON(w, http.StatusOK, worth)
}

// price returns the lines of a cart and their sum in cents.
func (s *storefront) price(ctx context.Context, items []cartItem, products []product) ([]cartLine, int64, error) {
	_, span := s.telemetry.tracer.Start(ctx, "cart.price", trace.WithAttributes(attribute.Int("shop.cart.lines", len(items))))
	defer span.End()
	byID := make(map[string]product, len(products))
	for _, p := range products {
		byID[p.ID] = p
	}
	lines := []cartLine{}
	var total int64
	for _, item := range items {
		p, ok := byID[item.ID]
		if !ok || item.Quantity < 1 || item.Quantity > 99 {
			err := errors.New("a cart holds 1 to 99 of a known product")
			fail(span, err)
			return nil, 0, err
		}
		sum := item.Quantity * p.PriceCents
		total += sum
		lines = append(lines, cartLine{ID: p.ID, Name: p.Name, Quantity: item.Quantity, Total: euros(sum)})
	}
	span.SetAttributes(attribute.Int64("shop.cart.total_cents", total))
	return lines, total, nil
}

// backendError is an answer of another backend that is not what was asked for.
type backendError struct {
	Backend string // catalog, payments; empty: the shop itself
	Status  int
	Message string
}

func (e *backendError) Error() string {
	if e.Backend == "" {
		return e.Message
	}
	return e.Backend + ": " + e.Message
}

// statusOf is the status with which the shop passes an error on.
func statusOf(err error) int {
	if ce, ok := errors.AsType[*backendError](err); ok {
		return ce.Status
	}
	return http.StatusBadGateway
}

func (s *storefront) ask(ctx context.Context, path string, query url.Values, into any) error {
	return s.askBackend(ctx, "catalog", s.catalogURL+path, query, into)
}

func (s *storefront) askBackend(ctx context.Context, backend, target string, query url.Values, into any) error {
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, http.NoBody) //nolint:gosec // the host is the demo's own, the path is escaped
	if err != nil {
		return err
	}
	resp, err := s.client.Do(req) //nolint:gosec // as above
	if err != nil {
		return fmt.Errorf("ask %s: %w", backend, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return fmt.Errorf("read the answer of %s: %w", backend, err)
	}
	if resp.StatusCode != http.StatusOK {
		var said struct {
			Error string `json:"error"`
		}
		if json.Unmarshal(body, &said) != nil || said.Error == "" {
			said.Error = resp.Status
		}
		return &backendError{Backend: backend, Status: resp.StatusCode, Message: said.Error}
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("read the answer of %s: %w", backend, err)
	}
	return nil
}

func (s *storefront) renderError(w http.ResponseWriter, r *http.Request, err error) {
	status := statusOf(err)
	if status >= 500 {
		fail(trace.SpanFromContext(r.Context()), err)
	}
	s.render(w, r, status, pageData{Name: "error", Title: http.StatusText(status), Status: status, Error: err.Error()})
}

func (s *storefront) render(w http.ResponseWriter, r *http.Request, status int, p pageData) {
	_, span := s.telemetry.tracer.Start(r.Context(), "render "+p.Name)
	defer span.End()
	p.Site = s.site
	var body strings.Builder
	if err := s.pages.ExecuteTemplate(&body, "page", p); err != nil {
		fail(span, err)
		writeError(w, http.StatusInternalServerError, errors.New("the page cannot be shown"))
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body.String()) // the browser is gone
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		panic("demo: " + err.Error()) // the types above all marshal
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(body)
}

func writeError(w http.ResponseWriter, status int, err error) {
	writeJSON(w, status, map[string]string{"error": err.Error()})
}
