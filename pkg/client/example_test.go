package client_test

import (
	"context"
	"fmt"
	"log"
	"net/http/httptest"
	"os"
	"time"

	"github.com/gamemetrics/gmctl/internal/testenv/ingestion"
	"github.com/gamemetrics/gmctl/pkg/client"
	"github.com/gamemetrics/gmctl/pkg/event"
	service "github.com/gamemetrics/gmctl/services/ingestion"
)

// exampleService is the ingestion service, over a store in memory.
func exampleService() (url string, stop func()) {
	s, err := service.New(service.Config{Store: ingestion.NewMemory()})
	if err != nil {
		log.Fatal(err)
	}
	server := httptest.NewServer(s.Handler())
	return server.URL, func() {
		server.Close()
		s.Close(context.Background())
	}
}

// Send returns when the event is stored.
func ExampleClient_Send() {
	url, stop := exampleService()
	defer stop()

	c, err := client.New(url)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	_, err = c.Send(context.Background(), event.Event{PlayerID: "player-1", EventType: "shop.purchase", Timestamp: time.Now(), Metadata: []byte(`{"item":"bow"}`)})
	fmt.Println("stored:", err == nil)

	_, err = c.Send(context.Background(), event.Event{EventType: "login", Timestamp: time.Now()})
	if fields, invalid := client.Invalid(err); invalid {
		fmt.Println("not stored:", fields[0])
	}
	// Output:
	// stored: true
	// not stored: playerId must not be empty
}

// A queue takes events at once, and tells later what became of them.
func ExampleQueue() {
	url, stop := exampleService()
	defer stop()
	folder, err := os.MkdirTemp("", "spool")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)

	c, err := client.New(url)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	q, err := client.NewQueue(c, client.QueueConfig{
		Spool: &client.Spool{Dir: folder}, // what Enqueue took outlives the process
		OnOutcome: func(o client.Outcome) {
			if o.Fate != client.Stored && o.Fate != client.Duplicate {
				fmt.Println("not stored:", o.Fate, o.Err)
			}
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	for _, kind := range []string{"login", "level up", "logout"} {
		if _, err := q.Enqueue(ctx, event.Event{PlayerID: "player-1", EventType: kind, Timestamp: time.Now()}); err != nil {
			log.Fatal(err)
		}
	}

	stopping, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := q.Close(stopping); err != nil {
		log.Fatal(err)
	}
	fmt.Println("stored:", q.Stats().Stored)
	// Output:
	// not stored: refused the event is not valid: eventType must be a letter followed by letters, digits, '_', '.', ':' or '-'
	// stored: 2
}
