//go:build unix

package awscloud_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/gamemetrics/gmctl/internal/problem"
)

func TestSecret(t *testing.T) {
	session, _ := open(t)
	cfg, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	client := secretsmanager.NewFromConfig(cfg)
	made, err := client.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{
		Name: aws.String("gamemetrics-dev/database"), SecretString: aws.String(`{"username":"gamemetrics_app","password":"hunter2-secret","port":5432}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	value, err := session.Secret(t.Context(), *made.ARN)
	if err != nil || value.Version != *made.VersionId || len(value.Fields) != 2 || value.Fields["password"] != "hunter2-secret" {
		t.Errorf("%v, %v", value, err)
	}
	if version, err := session.SecretVersion(t.Context(), *made.ARN); err != nil || version != value.Version {
		t.Errorf("version %s, %v", version, err)
	}

	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("read", "secret", value)
	document, err := json.Marshal(value)
	if err == nil {
		t.Errorf("it was written down: %s", document)
	}
	for _, printed := range []string{fmt.Sprint(value), fmt.Sprintf("%+v %#v %s", value, value, value), log.String(), string(document)} {
		if strings.Contains(printed, "hunter2") {
			t.Errorf("it was printed: %s", printed)
		}
	}

	if _, err := client.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{SecretId: made.ARN, SecretString: aws.String("hunter3-secret")}); err != nil {
		t.Fatal(err)
	}
	_, err = session.Secret(t.Context(), *made.ARN)
	if p := problem.From(err); p == nil || p.Next == "" || strings.Contains(err.Error(), "hunter3") {
		t.Errorf("one that is no object: %v", err)
	}
	if version, err := session.SecretVersion(t.Context(), *made.ARN); err != nil || version == value.Version {
		t.Errorf("version after a rotation: %s, %v", version, err)
	}
	none := *made.ARN + "x"
	_, err = session.Secret(t.Context(), none)
	expect(t, err, "the secret "+none+" cannot be read", "gmctl up --only infra")
	_, err = session.SecretVersion(t.Context(), none)
	expect(t, err, "the secret "+none+" cannot be read", "gmctl up --only infra")
}

func TestRegistryLogin(t *testing.T) {
	session, _ := open(t)
	login, err := session.RegistryLogin(t.Context())
	if err != nil || login.Username != "AWS" || login.Password == "" || login.Expires.IsZero() {
		t.Errorf("as %s until %s, %v", login.Username, login.Expires, err)
	}
	for _, repository := range []string{"none", "none/at-all"} {
		if there, err := session.HasImage(t.Context(), repository, "sha256:"+strings.Repeat("0", 64)); there || err != nil {
			t.Errorf("%s: %t, %v", repository, there, err)
		}
		if err := session.DeleteImages(t.Context(), repository, nil); err != nil {
			t.Errorf("%s: %v", repository, err)
		}
	}
}
