package beacon

// PageEvent is something else that happened in the page: what the application reports by a name of its
// own, a time in which the page could not answer, or a change of its visibility.
type PageEvent struct {
	Event
	Type     string  // custom, long_frame, visibility
	Name     string  // event.name, 1 to MaxEventNameBytes; long_frame.kind; visibility.state
	Duration float64 // ms; zero where left out
	URL      string
}

// pageEventType is what the types of PageEvent differ by.
type pageEventType struct {
	value        string // of the field type, quoted
	nameField    string
	names        []string // nil: any
	needDuration bool
}

var pageEventTypes = [...]pageEventType{
	{value: `"custom"`, nameField: "event.name"},
	{value: `"long_frame"`, nameField: "long_frame.kind", names: []string{"animation_frame", "task"}, needDuration: true},
	{value: `"visibility"`, nameField: "visibility.state", names: []string{"visible", "hidden"}},
}

// name reads the field that names an event of the type.
func (t *pageEventType) name(value string) (s string, ok bool) {
	if t.names != nil {
		return oneOf(value, t.names)
	}
	s, ok = shortOf(value, MaxEventNameBytes)
	return s, ok && s != ""
}

// pageEventTypeOf returns the type that a value of the field type says; nil for any other.
func pageEventTypeOf(value string) *pageEventType {
	for i := range pageEventTypes {
		if t := &pageEventTypes[i]; t.value == value {
			return t
		}
	}
	return nil
}

// pageEvent reads the event at hand, which is of the type d.pageEventType.
func (d *decoder) pageEvent(e *PageEvent) Reason {
	t := d.pageEventType
	e.Type = t.value[1 : len(t.value)-1]
	hasDuration := false
	for _, m := range d.members {
		if isNull(m.value) {
			continue
		}
		var ok bool
		reason := BadField
		switch m.name {
		case t.nameField:
			e.Name, ok = t.name(m.value)
		case "duration":
			reason = BadTime
			e.Duration, ok = numberOf(m.value)
			ok = ok && within(e.Duration)
			hasDuration = true
		case "url.full":
			reason = BadURL
			e.URL, ok = urlOf(m.value)
		case "long_frame.blocking_duration":
			reason = BadTime
			var blocking float64
			blocking, ok = numberOf(m.value)
			ok = ok && within(blocking)
			d.attribute(m)
		default:
			reason = d.base(&e.Event, m)
			ok = reason == ""
		}
		if !ok {
			return reason
		}
	}
	switch {
	case e.Name == "":
		return BadField
	case t.needDuration && !hasDuration:
		return BadTime
	default:
		return d.complete(&e.Event, e.Duration)
	}
}
