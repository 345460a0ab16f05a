// Package server runs a PostgreSQL server of gmctl's own: it finds or downloads
// the binaries, makes the cluster, starts the server as a child process and
// stops it. Nothing else in gmctl starts PostgreSQL.
//
// Three promises shape it:
//
//   - The data is the user's. A cluster appears under its final name only when
//     initdb has finished and synced it, the settings are durable, and no
//     process is killed with SIGKILL before it was asked to stop.
//   - No server outlives its supervisor. On Linux the kernel stops it when the
//     supervisor dies; elsewhere, and after a reboot, the next Start finds what
//     is left by the data directory it works in and ends it.
//   - PostgreSQL refuses to run as root, so for root it runs as the owner of the
//     data directory, or as the user postgres or nobody.
package server
