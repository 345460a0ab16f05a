// Package parts brings third-party manifests (Strimzi, Argo CD, metrics-server)
// onto this machine: those that parts.lock.yaml pins, each file by its digest.
//
// A Store is a folder of the cache. It is filled from where the lock says, or
// beforehand from a folder or a tar file where there is no way there; a file is
// verified each time it is used. Tree lays the files of the parts below parts/
// of the manifests, where bases refer to them.
package parts
