package testenv

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
)

// FreePort returns a port of 127.0.0.1 that nobody listens on. It is below those
// that systems give to outgoing connections, so that no connection of another
// test takes it before the test does.
func FreePort() (int, error) {
	const first, last = 15000, 32000
	var failure error
	for range 100 {
		port := first + rand.IntN(last-first)
		listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			failure = err
			continue
		}
		return port, listener.Close()
	}
	return 0, errors.Join(errors.New("no free port was found"), failure)
}
