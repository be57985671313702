package query

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
)

// AnnotationList is notes on the time line.
type AnnotationList struct {
	From        time.Time    `json:"from"`
	To          time.Time    `json:"to"`
	Annotations []Annotation `json:"annotations" nullable:"false" doc:"By ascending time"`
	Truncated   bool         `json:"truncated,omitempty" doc:"There are more"`
}

// Annotation is a note on the time line, such as a deployment.
type Annotation struct {
	ID            string     `json:"id"`
	Time          time.Time  `json:"time"`
	End           *time.Time `json:"end,omitempty" doc:"Left out: a moment"`
	ApplicationID string     `json:"rum.application.id,omitempty" doc:"Left out: it is about all applications"`
	Title         string     `json:"title"`
	Text          string     `json:"text,omitempty"`
	Tags          []string   `json:"tags" nullable:"false"`
}

func newAnnotation(a *store.Annotation) Annotation {
	return Annotation{a.ID.String(), a.Time.UTC(), timeOrNil(a.End), a.ApplicationID, a.Title, a.Text, notNil(a.Tags)}
}

// NewAnnotation is a note to be kept.
type NewAnnotation struct {
	Time          *time.Time `json:"time,omitempty" doc:"Left out: now"`
	End           *time.Time `json:"end,omitempty" doc:"Left out: a moment"`
	ApplicationID string     `json:"rum.application.id,omitempty" pattern:"^[0-9a-f]{16}$" doc:"Left out: it is about all applications"`
	Title         string     `json:"title" minLength:"1" maxLength:"200"`
	Text          string     `json:"text,omitempty" maxLength:"4000"`
	Tags          []string   `json:"tags,omitempty" nullable:"false" maxItems:"16" doc:"Each of at most 64 characters"`
}

const maxTagLength = 64

// Annotations lists the annotations in a range.
func (q *Engine) Annotations(ctx context.Context, r Range, limit int) (AnnotationList, error) {
	if err := checkLimit(limit); err != nil {
		return AnnotationList{}, err
	}
	within, err := q.closed(r)
	if err != nil {
		return AnnotationList{}, err
	}
	found, err := q.reader.Annotations(ctx, within.from, within.to, limit+1)
	if err != nil {
		return AnnotationList{}, fmt.Errorf("listing annotations: %w", err)
	}
	return AnnotationList{within.from, within.to, shown(found[:min(len(found), limit)], newAnnotation), len(found) > limit}, nil
}

// Annotate keeps an annotation and returns it with its id.
func (q *Engine) Annotate(ctx context.Context, in NewAnnotation) (Annotation, error) {
	a := store.Annotation{
		ID: q.newID(), Time: q.clock().UTC().Truncate(time.Millisecond), ApplicationID: in.ApplicationID, Title: strings.TrimSpace(in.Title), Text: in.Text, Tags: in.Tags,
	}
	if in.Time != nil {
		a.Time = in.Time.UTC()
	}
	if in.End != nil {
		a.End = in.End.UTC()
	}
	if err := checkAnnotation(&a); err != nil {
		return Annotation{}, err
	}
	if err := q.annotator.PutAnnotation(ctx, a); err != nil {
		return Annotation{}, fmt.Errorf("keeping an annotation: %w", err)
	}
	return newAnnotation(&a), nil
}

func checkAnnotation(a *store.Annotation) error {
	if a.Title == "" {
		return &Error{Invalid, "title is empty", "say in a few words what happened"}
	}
	for _, t := range []time.Time{a.Time, a.End} {
		if !t.IsZero() && (t.Year() < firstYear || t.Year() > lastYear) {
			return &Error{Invalid, "a time is out of range", fmt.Sprintf("the years %d to %d can be kept", firstYear, lastYear)}
		}
	}
	if !a.End.IsZero() && a.End.Before(a.Time) {
		return &Error{Invalid, "end is before time", "leave end out for a moment"}
	}
	for _, tag := range a.Tags {
		if n := utf8.RuneCountInString(tag); n < 1 || n > maxTagLength {
			return &Error{Invalid, "a tag is empty or too long", fmt.Sprintf("a tag has 1 to %d characters", maxTagLength)}
		}
	}
	return nil
}

// DeleteAnnotation removes an annotation.
func (q *Engine) DeleteAnnotation(ctx context.Context, id model.EventID) error {
	err := q.annotator.DeleteAnnotation(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return &Error{NotFound, "no annotation has this id", "it may have been deleted already; GET /api/v1/annotations lists them"}
	}
	if err != nil {
		return fmt.Errorf("deleting annotation %s: %w", id, err)
	}
	return nil
}
