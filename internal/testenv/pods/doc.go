// Package pods runs the pods of our own images in the testbed: it is the kubelet
// for them, where kwok is that of all other pods. It needs Linux and root.
//
// A pod is taken when the scheduler has bound it and it carries Selector's
// labels. Its image is pulled by digest, unpacked once, and each container is a
// process with a root directory, a mount, PID and network namespace of its own
// and the user, command, environment and volumes of the pod's specification.
// Probes are answered by that process, its logs are kept, it is restarted and
// ended as a kubelet does, and its status stands in the API server.
//
// The pod's network namespace has a loopback interface and nothing else: no
// address, route or interface of the machine changes. What a pod may reach it
// asks of a name server inside its namespace, which answers with an address of
// 127/8; there the runner listens, inside the namespace, and carries each
// connection to where the real thing listens: a pod behind the service, or a
// Route. What reaches a pod is dialed inside its namespace.
//
// What it does not do: cgroups, so limits are not enforced; volumes other than
// emptyDir, configMap, secret, downwardAPI and projected; changes of config maps
// and secrets in volumes of a running pod; gRPC probes; containers of root.
package pods
