package apikey_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gamemetrics/gmctl/internal/apikey"
)

func TestNew(t *testing.T) {
	form := regexp.MustCompile(`^gmk_[0-9A-Za-z]{49}$`)
	seen := map[string]bool{}
	for range 1000 {
		secret := apikey.New()
		text := secret.Reveal()
		if !form.MatchString(text) || !secret.WellFormed() || seen[text] || seen[secret.Hash().ID()] {
			t.Fatalf("the key %q", text)
		}
		seen[text], seen[secret.Hash().ID()] = true, true
		if again := apikey.Read(text); again.Hash() != secret.Hash() {
			t.Fatalf("%q has two hashes", text)
		}
	}
}

// The checksum of a text stays what it is: keys are out there.
func TestChecksumIsStable(t *testing.T) {
	text := "gmk_" + strings.Repeat("0", 42) + "1"
	if !apikey.Read(text+"2i3g3x").WellFormed() || apikey.Read(text+"2i3g3y").WellFormed() {
		t.Errorf("the checksum of %s is 2i3g3x no more", text)
	}
}

func TestWellFormedTellsTypingErrors(t *testing.T) {
	text := apikey.New().Reveal()
	swapped := []byte(text)
	for i := 10; ; i++ {
		if swapped[i] != swapped[i+1] {
			swapped[i], swapped[i+1] = swapped[i+1], swapped[i]
			break
		}
	}
	for name, wrong := range map[string]string{
		"nothing": "", "cut off": text[:len(text)-1], "longer": text + "0", "another prefix": "ghp" + text[3:],
		"two swapped": string(swapped), "a space": " " + text[1:], "upper case": strings.ToUpper(text),
	} {
		if apikey.Read(wrong).WellFormed() {
			t.Errorf("%s: %q is taken for a key's text", name, wrong)
		}
	}
}

func TestSecretIsNotPrinted(t *testing.T) {
	secret := apikey.New()
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("made", "key", secret)
	for _, shown := range []string{fmt.Sprint(secret), fmt.Sprintf("%v %+v %#v %s %q", secret, secret, secret, secret, secret), log.String()} {
		if strings.Contains(shown, secret.Reveal()[4:]) {
			t.Errorf("the secret is in %s", shown)
		}
	}
}

func TestState(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for want, key := range map[apikey.State]apikey.Key{
		apikey.Valid:   {ExpiresAt: now.Add(time.Second)},
		apikey.Expired: {ExpiresAt: now},
		apikey.Revoked: {ExpiresAt: now.Add(time.Hour), RevokedAt: now},
	} {
		if got := key.State(now); got != want {
			t.Errorf("%+v is %s, want %s", key, got, want)
		}
	}
}
