package ingest

import (
	"strings"
	"testing"
)

func TestMaskedMessages(t *testing.T) {
	for message, want := range map[string]string{
		"":                      "",
		"x is not a function":   "x is not a function",
		"Cart 4711 has 3 items": "Cart # has # items",
		"user 123e4567-e89b-12d3-a456-426614174000 is gone": "user #-#-#-#-# is gone",
		"commit 9f54df9a1c2b":                               "commit #",
		"item42 of list7":                                   "item# of list#",
		"cannot read 'total' of \"cart\"":                   "cannot read '' of \"\"",
		"don't and can't":                                   "don't and can't",
		"it's 'quoted":                                      "it's 'quoted",
		"GET https://shop.example/a/12?b=1&c=2 failed":      "GET https://shop.example/a/#? failed",
		"really?":            "really?",
		"h\u00e9llo 5\u20ac": "h\u00e9llo #\u20ac",
	} {
		if got := string(appendMasked(nil, message)); got != want {
			t.Errorf("%q: %q, want %q", message, got, want)
		}
	}
}

const chromiumStack = `TypeError: Cannot read properties of undefined (reading 'total')
    at sumUp (https://shop.example/assets/cart.3f9a1c.js?v=1:10:23)
    at async Promise.all (index 0)
    at https://shop.example/assets/app.js:200:5
    at onClick (https://shop.example/assets/app.js:9:1)`

func TestFingerprints(t *testing.T) {
	base := fingerprintOf("TypeError", "cannot read cart 1", chromiumStack)
	for name, test := range map[string]struct {
		kind, message, stack string
		same                 bool
	}{
		"another id":        {"TypeError", "cannot read cart 22", chromiumStack, true},
		"another build":     {"TypeError", "cannot read cart 1", strings.NewReplacer("3f9a1c", "77b001", ":10:23", ":11:7", "?v=1", "?v=2").Replace(chromiumStack), true},
		"below three":       {"TypeError", "cannot read cart 1", strings.Replace(chromiumStack, "onClick", "onKey", 1), true},
		"another type":      {"RangeError", "cannot read cart 1", chromiumStack, false},
		"another message":   {"TypeError", "cannot write cart 1", chromiumStack, false},
		"another function":  {"TypeError", "cannot read cart 1", strings.Replace(chromiumStack, "sumUp", "total", 1), false},
		"another file":      {"TypeError", "cannot read cart 1", strings.Replace(chromiumStack, "cart.", "list.", 1), false},
		"no stack":          {"TypeError", "cannot read cart 1", "", false},
		"type and message":  {"TypeErrorcannot", " read cart 1", chromiumStack, false},
		"frames after junk": {"TypeError", "cannot read cart 1", strings.Repeat("junk\n", maxStackLines+1) + chromiumStack, false},
	} {
		if got := fingerprintOf(test.kind, test.message, test.stack) == base; got != test.same {
			t.Errorf("%s: the same is %v, want %v", name, got, test.same)
		}
	}
	firefox := "sumUp@https://shop.example/assets/cart.js:10:23\n@https://shop.example/assets/app.js:200:5\nforEach@[native code]\nlater@https://shop.example/x.js:1:1"
	if fingerprintOf("", "", firefox) != fingerprintOf("", "", strings.NewReplacer(":10:23", ":1:2", "later", "soon").Replace(firefox)) {
		t.Error("lines, or a fourth frame, change a fingerprint of Firefox")
	}
	if got, want := fingerprintOf("TypeError", "x", "at f (a.js:1:2)"), ([8]byte{}); got == want {
		t.Errorf("%x", got)
	}
}

func FuzzFingerprint(f *testing.F) {
	seeds := []string{chromiumStack, "a@b:1", "at (", "at  (:1:2)", "@[native code]", "?a ?b", "''' \"", "\xff\xfe"}
	if len(seeds) < 5 {
		f.Fatal("the fuzz target has lost its seeds")
	}
	for _, s := range seeds {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, message, stack string) {
		if first, again := fingerprintOf("T", message, stack), fingerprintOf("T", message, stack); first != again {
			t.Error("two fingerprints of one error")
		}
		if got := appendMasked(nil, message); len(got) > 3*maxMasked {
			t.Errorf("%d bytes of %d", len(got), len(message))
		}
	})
}
