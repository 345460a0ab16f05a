// Package nodegroups does what EKS does behind its API of node groups: it turns
// the groups of an emulated account (testenv/aws with ExternalNodes) into nodes
// of a test's Kubernetes (testenv/kube), each with its instance type's capacity,
// and keeps them as the groups say.
//
// Smaller groups and deleted ones are cordoned, drained by eviction and removed;
// a version update replaces node after node, one more than the group's size at
// a time. A pod disruption budget that does not let go in time fails the update
// with PodEvictionFailure, unless it is forced. Only when its nodes are as wanted
// does a group become ACTIVE, or an update Successful.
package nodegroups
