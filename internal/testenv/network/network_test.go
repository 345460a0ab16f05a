package network_test

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	"github.com/gamemetrics/gmctl/internal/testenv/network"
)

// echo is a server that answers each line with the same line.
func echo(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				for lines := bufio.NewScanner(conn); lines.Scan(); {
					fmt.Fprintln(conn, lines.Text())
				}
			}()
		}
	}()
	return listener.Addr().String()
}

// ask sends a line and returns the answer, or an error when none comes in time.
func ask(conn net.Conn, patience time.Duration) (string, error) {
	fmt.Fprintln(conn, "hello")
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	return bufio.NewReader(conn).ReadString('\n')
}

func TestLink(t *testing.T) {
	link, err := network.New("127.0.0.1:0", echo(t))
	if err != nil {
		t.Fatal(err)
	}
	defer link.Close()
	dial := func() net.Conn {
		conn, err := net.Dial("tcp", link.Address())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	works := func(when string) {
		if answer, err := ask(dial(), 10*time.Second); answer != "hello\n" {
			t.Fatalf("%s the answer is %q, %v", when, answer, err)
		}
	}
	works("at first")

	old := dial()
	if err := link.Cut(); err != nil {
		t.Fatal(err)
	}
	if answer, err := ask(old, 10*time.Second); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("over a link that was cut the answer is %q, %v", answer, err)
	}
	if conn, err := net.Dial("tcp", link.Address()); err == nil {
		conn.Close()
		t.Error("a link that was cut takes connections")
	}
	if err := link.Heal(t.Context()); err != nil {
		t.Fatal(err)
	}
	works("when the cut is mended")

	for name, disturb := range map[string]func() error{"half open": link.HalfOpen, "losing answers": link.LoseAnswers} {
		old = dial()
		if err := disturb(); err != nil {
			t.Fatal(err)
		}
		for _, conn := range []net.Conn{old, dial()} {
			if answer, err := ask(conn, 100*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%s: the answer is %q, %v", name, answer, err)
			}
		}
		if err := link.Heal(t.Context()); err != nil {
			t.Fatal(err)
		}
		works("when it is no more " + name)
	}

	if err := link.Slow(200*time.Millisecond, 100); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	works("over a slow link")
	if took := time.Since(began); took < 80*time.Millisecond {
		t.Errorf("over a slow link the answer came after %s", took)
	}
	if err := link.Heal(t.Context()); err != nil {
		t.Fatal(err)
	}
	works("at last")
}

func TestALinkLeadsElsewhere(t *testing.T) {
	link, err := network.New("127.0.0.1:0", "127.0.0.1:1") // where nobody listens
	if err != nil {
		t.Fatal(err)
	}
	defer link.Close()
	address := link.Address()
	if err := link.Lead(echo(t)); err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if answer, err := ask(conn, 10*time.Second); answer != "hello\n" {
		t.Errorf("the answer is %q, %v", answer, err)
	}
}
