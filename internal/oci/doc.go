// Package oci makes container images without a container engine, and pushes
// them. gmctl is one static file, so an image of it is a base that is written
// here (certificates, a user, a folder for temporary files) and one layer with
// the file, for each platform there is a binary of.
//
// Inspect looks at a binary and FindBinaries at a folder of them, Build makes
// the image, Released names one that a registry has, and Push brings either to
// a registry. The same binaries give the same digest, wherever and whenever.
package oci
