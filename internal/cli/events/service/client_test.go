package service

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/gamemetrics/gmctl/pkg/event"
)

func login(player string) event.Event {
	now := time.Now()
	return event.Event{EventID: event.NewID(now), PlayerID: player, EventType: "login", Timestamp: now, Metadata: json.RawMessage(`{"sessionId":"0123456789abcdef","level":7,"difficulty":3}`)}
}

// BenchmarkDrive is what one event costs the sender, all of its CPU time
// included: the answering side does next to nothing.
func BenchmarkDrive(b *testing.B) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer listener.Close()
	go answer(listener)
	send, err := DriveSender("http://"+listener.Addr().String(), 64, func() {})
	if err != nil {
		b.Fatal(err)
	}
	e := login("player-000001")
	b.ReportAllocs()
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := send(context.Background(), []event.Event{e}); err != nil {
				b.Error(err)
			}
		}
	})
}

// answer answers every request it can find the end of with 201.
func answer(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			reader := bufio.NewReader(conn)
			for {
				length := 0
				for {
					line, err := reader.ReadSlice('\n')
					if err != nil {
						return
					}
					if len(line) <= 2 {
						break
					}
					_, _ = fmt.Sscanf(string(line), "Content-Length: %d", &length)
				}
				if _, err := reader.Discard(length); err != nil {
					return
				}
				if _, err := conn.Write([]byte("HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}")); err != nil {
					return
				}
			}
		}()
	}
}
