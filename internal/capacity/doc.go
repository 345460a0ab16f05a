// Package capacity says, before anything is created, which pods will find no
// place on the planned nodes.
//
// It makes the pods that the rendered objects and EKS's own add-ons will have
// (Strimzi's node pools included), and places them on the nodes of the planned
// groups as the scheduler will, by the rules it has: what a node leaves to pods
// after the kubelet's reservations, requests, how many pods its network
// interfaces carry, node selectors and affinity, taints, anti-affinity between
// pods, and topology spread that must hold; of the nodes that take a pod, the
// least used. What is otherwise only preferred does not count, nor does affinity
// to other pods.
package capacity
