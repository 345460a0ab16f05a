package pods

import (
	"context"
	"net"
)

// Dial connects to where something really listens.
type Dial func(ctx context.Context) (net.Conn, error)

// To dials an address of this machine.
func To(address string) Dial {
	return func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", address)
	}
}

// Route is something outside the cluster that pods may reach. Its host is a
// name, or an address of 127/8 at which pods then find it.
type Route struct {
	Host string
	Port int
	Dial Dial
}
