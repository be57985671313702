package guard

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"strings"
)

// The limits of tokens. What is shorter can be guessed.
const (
	MinTokenBytes = 16
	MaxTokenBytes = 1024
	maxTokens     = 100
)

// tokens holds the sums of bearer tokens, any of which opens; empty: nothing is
// closed.
type tokens [][sha256.Size]byte

func newTokens(setting string, list []string) (tokens, error) {
	if len(list) > maxTokens {
		return nil, &ConfigError{setting, fmt.Errorf("%d are too many", len(list)), fmt.Sprintf("give at most %d", maxTokens)}
	}
	t := make(tokens, 0, len(list))
	for i, token := range list {
		path := fmt.Sprintf("%s[%d]", setting, i)
		switch {
		case token == "":
			return nil, &ConfigError{path, errEmpty, "draw one: openssl rand -hex 32"}
		case len(token) < MinTokenBytes || len(token) > MaxTokenBytes:
			return nil, &ConfigError{path, fmt.Errorf("the token is shorter than %d or longer than %d characters", MinTokenBytes, MaxTokenBytes), "draw one: openssl rand -hex 32"}
		case strings.ContainsFunc(token, notInToken):
			return nil, &ConfigError{path, errors.New("the token has a character that no header can carry as part of a token"), "draw one: openssl rand -hex 32"}
		}
		t = append(t, sha256.Sum256([]byte(token)))
	}
	return t, nil
}

// notInToken is all that is not of token68 (RFC 9110, section 11.2).
func notInToken(c rune) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		return false
	default:
		return !strings.ContainsRune("-._~+/=", c)
	}
}

// allow reports whether an Authorization header carries one of the tokens (RFC
// 6750, section 2.1). How long it takes tells nothing about them.
func (t tokens) allow(authorization string) bool {
	if len(t) == 0 {
		return true
	}
	scheme, token, _ := strings.Cut(authorization, " ")
	token = strings.Trim(token, " ")
	if !strings.EqualFold(scheme, "Bearer") || len(token) > MaxTokenBytes {
		return false
	}
	sum := sha256.Sum256([]byte(token))
	found := 0
	for i := range t {
		found |= subtle.ConstantTimeCompare(sum[:], t[i][:])
	}
	return found == 1
}
