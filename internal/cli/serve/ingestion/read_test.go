package ingestion_test

import (
	"encoding/json"
	"io"
	"net/http"
	"testing"

	"github.com/gamemetrics/gmctl/internal/apikey"
	"github.com/gamemetrics/gmctl/internal/postgres"
	"github.com/gamemetrics/gmctl/internal/schemas"
	"github.com/gamemetrics/gmctl/internal/testenv/serve"
	"github.com/gamemetrics/gmctl/pkg/eventapi"
)

// What the service stored it shows to an administrator, and to nobody else.
func TestServeShowsWhatIsStored(t *testing.T) {
	dsn := pg.Database(t)
	s := command.Start(t, "--migrate", "--database-url", dsn)
	serve.Eventually(t, "the service is ready", func() bool { return s.Ready(t) })
	_, answer := s.Post(t, eventapi.EventsPath, event("p/1", `{"level":7}`))
	var accepted eventapi.Accepted
	if err := json.Unmarshal([]byte(answer), &accepted); err != nil {
		t.Fatal(err)
	}
	pool, err := postgres.Open(t.Context(), postgres.Config{DSN: dsn})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	secret := apikey.New()
	admin := apikey.Key{
		ID: secret.Hash().ID(), Hash: secret.Hash(),
		Settings: apikey.Settings{Admin: true, SchemaMode: schemas.Strict},
	}
	if err := postgres.NewKeys(pool).Create(t.Context(), admin); err != nil {
		t.Fatal(err)
	}
	look := func(path, key string) (status int, found eventapi.Events) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.Address+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set(eventapi.KeyHeader, key)
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err == nil {
			err = json.Unmarshal(body, &found)
		}
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, found
	}
	serve.Eventually(t, "the service knows the key", func() bool {
		status, _ := look(eventapi.EventsPath+"/"+accepted.EventID, secret.Reveal())
		return status == 200
	})
	for _, path := range []string{eventapi.EventsPath + "/" + accepted.EventID, "/api/v1/players/p%2F1/events"} {
		if status, found := look(path, secret.Reveal()); status != 200 || len(found.Events) != 1 ||
			found.Events[0].EventID.String() != accepted.EventID || string(found.Events[0].Metadata) != `{"level":7}` {
			t.Errorf("%s is answered %d %+v", path, status, found)
		}
		if status, _ := look(path, ""); status != 401 {
			t.Errorf("%s without a key is answered %d", path, status)
		}
	}
}
