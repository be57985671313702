package traffic

import "fmt"

// route is one URL pattern of the shop's API.
type route struct {
	route string // as a server's router names it
	form  func(id int) string
	write bool
}

func (r route) path(id int) string { return r.form(id) }

// routes are the shop's 120 URL patterns: five for each of 24 collections.
var routes = makeRoutes()

func makeRoutes() []route {
	var all []route
	for _, name := range []string{
		"items", "carts", "prices", "stock", "users", "orders", "reviews", "payments", "coupons", "addresses", "categories", "brands",
		"searches", "wishes", "returns", "invoices", "shipments", "stores", "messages", "banners", "vouchers", "bundles", "questions", "devices",
	} {
		base := "/api/v1/" + name
		all = append(all,
			route{base + "/{id}", func(id int) string { return fmt.Sprintf("%s/%d", base, id) }, false},
			route{base, func(id int) string { return fmt.Sprintf("%s?page=%d&size=20", base, id%50) }, false},
			route{base + "/{id}/details", func(id int) string { return fmt.Sprintf("%s/%d/details?lang=en", base, id) }, false},
			route{base + "/{id}/history/{date}", func(id int) string { return fmt.Sprintf("%s/%d/history/2026-%02d-%02d", base, id, id%12+1, id%28+1) }, false},
			route{base + "/{uuid}/changes", func(id int) string {
				return fmt.Sprintf("%s/%08x-1f3c-4b5d-8e9f-%012x/changes", base, uint32(id)*2654435761, uint64(id)*11400714819323) //nolint:gosec // an id is small and not negative
			}, true},
		)
	}
	return all
}
