package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/throughline-rum/throughline/server/internal/query"
)

type annotationsInput struct {
	Range
	Limit
}

type annotateInput struct{ Body query.NewAnnotation }

func routeAnnotations(o operations) {
	q := o.c.Query
	get(o, "annotations", "list-annotations", "Notes on the time line, such as deployments",
		func(ctx context.Context, in *annotationsInput) (query.AnnotationList, error) {
			return q.Annotations(ctx, in.rangeOf(), in.Limit.Limit)
		})
	create := o.operation(http.MethodPost, "annotations", "create-annotation", "Keep a note on the time line")
	create.DefaultStatus = http.StatusCreated
	huma.Register(o.api, create, func(ctx context.Context, in *annotateInput) (*body[query.Annotation], error) {
		a, err := bounded(ctx, o.c, &in.Body, func(ctx context.Context, a *query.NewAnnotation) (query.Annotation, error) {
			return q.Annotate(ctx, *a)
		})
		if err != nil {
			return nil, err
		}
		return &body[query.Annotation]{a}, nil
	})
	remove := o.operation(http.MethodDelete, "annotations/{id}", "delete-annotation", "Remove a note")
	remove.DefaultStatus = http.StatusNoContent
	huma.Register(o.api, remove, func(ctx context.Context, in *eventInput) (*struct{}, error) {
		return bounded(ctx, o.c, in, func(ctx context.Context, in *eventInput) (*struct{}, error) {
			id, err := eventID(in.ID)
			if err != nil {
				return nil, err
			}
			return nil, q.DeleteAnnotation(ctx, id)
		})
	})
}
