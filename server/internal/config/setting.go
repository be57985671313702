package config

import (
	"reflect"
	"strings"
)

// Setting describes one setting.
type Setting struct {
	Key     string // in the file; "tokens.api" is api below tokens
	Flag    string // empty: none
	Env     string // empty: none
	Default string // as on the command line
	Help    string
}

// Settings lists everything that can be set, in the order in which it is printed.
func Settings() []Setting {
	var list []Setting
	each(reflect.ValueOf(&Serve{}).Elem(), "", func(s Setting, _ reflect.Value) {
		list = append(list, s)
	})
	return list
}

// each visits the settings below a struct.
func each(v reflect.Value, prefix string, visit func(Setting, reflect.Value)) {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		key := field.Tag.Get("yaml")
		if key == "-" {
			continue
		}
		s := Setting{Key: prefix + key, Env: field.Tag.Get("env"), Default: field.Tag.Get("default"), Help: field.Tag.Get("help")}
		if v.Field(i).Kind() == reflect.Struct {
			each(v.Field(i), s.Key+".", visit)
			continue
		}
		if prefix == "" && field.Tag.Get("kong") != "-" {
			s.Flag = strings.ReplaceAll(key, "_", "-")
		}
		visit(s, v.Field(i))
	}
}
