package oci

import (
	"encoding/pem"
	"strings"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// user is who the image's processes are, by the number that distroless images
// have made customary: Kubernetes can tell that it is not root.
const user = 65532

const (
	passwd = "root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n"
	group  = "root:x:0:\nnonroot:x:65532:\n"
)

// base is what a static program may expect around it.
func base() (*layer, error) {
	home, temporary := folder("home/nonroot"), folder("tmp")
	home.owner, home.mode, temporary.mode = user, 0o700, 0o1777
	return memoryLayer([]entry{
		folder("etc"), folder("etc/ssl"), folder("etc/ssl/certs"),
		text("etc/group", group), text("etc/passwd", passwd),
		text("etc/ssl/certs/ca-certificates.crt", certificates()),
		folder("home"), home, temporary,
	})
}

// certificates are the authorities that Mozilla trusts. Those it trusts only
// for some sites are left out: a file of certificates cannot say so.
func certificates() string {
	var all strings.Builder
	for root := range bundle.Roots() {
		if root.Constraint != nil {
			continue
		}
		_ = pem.Encode(&all, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}) // a Builder takes everything
	}
	return all.String()
}
