//go:build unix

package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	authentication "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// webhook answers the API server's question whose a bearer token is. It runs in
// this process, as EKS's authenticator runs outside of the cluster.
type webhook struct {
	address string
	server  *http.Server
	ended   chan error

	mutex sync.Mutex
	eks   *EKS // nil accepts nobody
}

func startWebhook(ctx context.Context, eks *EKS) (*webhook, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	w := &webhook{address: listener.Addr().String(), ended: make(chan error, 1)}
	w.accept(eks)
	w.server = &http.Server{Handler: w, ReadHeaderTimeout: 10 * time.Second}
	go func() { w.ended <- w.server.Serve(listener) }()
	return w, nil
}

func (w *webhook) accept(eks *EKS) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.eks = eks
}

func (w *webhook) accepted() *EKS {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return w.eks
}

func (w *webhook) stop() error {
	err := w.server.Close()
	if served := <-w.ended; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

func (w *webhook) writeKubeconfig(path string) error {
	config := clientcmdapi.NewConfig()
	config.Clusters["webhook"] = &clientcmdapi.Cluster{Server: "http://" + w.address}
	config.AuthInfos["kube-apiserver"] = &clientcmdapi.AuthInfo{}
	config.Contexts["webhook"] = &clientcmdapi.Context{Cluster: "webhook", AuthInfo: "kube-apiserver"}
	config.CurrentContext = "webhook"
	return clientcmd.WriteToFile(*config, path)
}

// ServeHTTP answers a TokenReview.
func (w *webhook) ServeHTTP(answer http.ResponseWriter, request *http.Request) {
	var review authentication.TokenReview
	if err := json.NewDecoder(request.Body).Decode(&review); err != nil {
		http.Error(answer, err.Error(), http.StatusBadRequest)
		return
	}
	status := authentication.TokenReviewStatus{Error: "no EKS cluster is emulated"}
	if eks := w.accepted(); eks != nil {
		status = reviewed(eks.identify(request.Context(), review.Spec.Token))
	}
	answer.Header().Set("Content-Type", "application/json")
	// the API server says in its log if it cannot read the answer
	_ = json.NewEncoder(answer).Encode(authentication.TokenReview{
		TypeMeta: metav1.TypeMeta{APIVersion: authentication.SchemeGroupVersion.String(), Kind: "TokenReview"},
		Status:   status,
	})
}

func reviewed(who caller, err error) authentication.TokenReviewStatus {
	if err != nil {
		return authentication.TokenReviewStatus{Error: fmt.Sprint("EKS token: ", err)}
	}
	return authentication.TokenReviewStatus{
		Authenticated: true,
		User:          authentication.UserInfo{Username: who.Arn, UID: who.UserID, Groups: []string{masters}},
	}
}
