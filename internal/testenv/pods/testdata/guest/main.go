// Command guest is what the tests' containers run: it shows what it sees of its
// container over HTTP.
package main

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) > 2 && os.Args[1] == "exit" {
		fmt.Println("leaving with", os.Args[2])
		code, _ := strconv.Atoi(os.Args[2])
		os.Exit(code)
	}
	if len(os.Args) > 2 && os.Args[1] == "write" {
		if err := os.WriteFile(os.Args[2], []byte("written"), 0o600); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	serve()
}

func serve() {
	var healthy atomic.Bool
	healthy.Store(true)
	http.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) {
		if !healthy.Load() {
			http.Error(w, "sick", http.StatusServiceUnavailable)
		}
	})
	http.HandleFunc("/sicken", func(http.ResponseWriter, *http.Request) { healthy.Store(false) })
	http.HandleFunc("/args", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, strings.Join(os.Args, " ")) })
	http.HandleFunc("/env", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, os.Getenv(r.FormValue("name"))) })
	http.HandleFunc("/file", func(w http.ResponseWriter, r *http.Request) {
		content, err := os.ReadFile(r.FormValue("path"))
		fmt.Fprintf(w, "%s%v", content, err)
	})
	http.HandleFunc("/write", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, os.WriteFile(r.FormValue("path"), []byte("written"), 0o600))
	})
	http.HandleFunc("/who", func(w http.ResponseWriter, _ *http.Request) {
		host, _ := os.Hostname()
		fmt.Fprintf(w, "uid %d gid %d pid %d host %s", os.Getuid(), os.Getgid(), os.Getpid(), host)
	})
	http.HandleFunc("/dial", func(w http.ResponseWriter, r *http.Request) {
		conn, err := net.DialTimeout("tcp", r.FormValue("to"), 5*time.Second)
		if err != nil {
			fmt.Fprint(w, err)
			return
		}
		defer conn.Close()
		fmt.Fprintf(conn, "GET / HTTP/1.0\r\n\r\n")
		line, err := bufio.NewReader(conn).ReadString('\n')
		fmt.Fprint(w, strings.TrimSpace(line), " ", err)
	})
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	go func() {
		<-signals
		fmt.Println("asked to leave")
		os.Exit(0)
	}()
	fmt.Println("serving")
	fmt.Fprintln(os.Stderr, "to stderr")
	fmt.Println(http.ListenAndServe(":8080", nil))
}
