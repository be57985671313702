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
	each(reflect.ValueOf(&Serve{}).Elem(), "", true, func(s Setting, _ reflect.Value) {
		list = append(list, s)
	})
	return list
}

// flagOf returns the name that the flag of a key has.
func flagOf(key string) string { return strings.NewReplacer("_", "-", ".", "-").Replace(key) }

// keyOf returns the key that a flag sets.
func keyOf(flag string) string {
	for _, s := range Settings() {
		if s.Flag == flag {
			return s.Key
		}
	}
	return flag
}

// each visits the settings below a struct, which may have flags.
func each(v reflect.Value, prefix string, flags bool, visit func(Setting, reflect.Value)) {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		key := field.Tag.Get("yaml")
		if key == "-" {
			continue
		}
		s := Setting{Key: prefix + key, Env: field.Tag.Get("env"), Default: field.Tag.Get("default"), Help: field.Tag.Get("help")}
		if v.Field(i).Kind() == reflect.Struct {
			each(v.Field(i), s.Key+".", flags && field.Tag.Get("kong") != "-", visit)
			continue
		}
		if flags && field.Tag.Get("kong") != "-" {
			s.Flag = flagOf(s.Key)
		}
		visit(s, v.Field(i))
	}
}
