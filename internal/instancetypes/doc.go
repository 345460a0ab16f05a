// Package instancetypes knows the EC2 instance types that node groups are made
// of: how much CPU and memory each has, how many pods its network interfaces
// carry, and what of that EKS leaves to pods after the kubelet's reservations.
//
// The capacity check before anything is created and the nodes of the rehearsal
// both work with these figures, so that what the check promises is what the
// scheduler finds.
package instancetypes
