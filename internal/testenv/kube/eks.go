//go:build unix

package kube

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// EKS is the emulated cluster whose tokens the API server accepts. Every caller
// of its account belongs to system:masters, under the name of its ARN.
type EKS struct {
	Cluster     string // its name
	STSEndpoint string // URL of the emulator, the only one that a token may lead to
	Account     string // whose callers are let in; "" for any
	// SecretKey is the secret of the emulator's credentials: the emulator does
	// not verify signatures. "" stands for "test".
	SecretKey string
}

// What a token of EKS is made of, and how long its URL may be good for.
const (
	tokenPrefix   = "k8s-aws-v1."
	clusterHeader = "x-k8s-aws-id"
	longestExpiry = 15 * time.Minute
	tokenLasts    = 15 * time.Minute // from its date, whatever the URL says
)

// caller is whom STS knows.
type caller struct {
	Account string
	Arn     string
	UserID  string `xml:"UserId"`
}

// identify says whose a token is, as aws-iam-authenticator does for EKS: the
// token is the presigned URL of GetCallerIdentity, with the name of the cluster
// in its signature.
func (e *EKS) identify(ctx context.Context, token string) (caller, error) {
	at, err := e.presigned(token)
	if err != nil {
		return caller{}, err
	}
	if err := e.verify(ctx, at); err != nil {
		return caller{}, err
	}
	who, err := e.call(ctx, at)
	if err != nil {
		return caller{}, err
	}
	if e.Account != "" && who.Account != e.Account {
		return caller{}, fmt.Errorf("%s is not of the account %s", who.Arn, e.Account)
	}
	return who, nil
}

// presigned decodes a token and checks that its URL is one that may be called.
func (e *EKS) presigned(token string) (*url.URL, error) {
	encoded, ok := strings.CutPrefix(token, tokenPrefix)
	if !ok {
		return nil, errors.New("it does not begin with " + tokenPrefix)
	}
	decoded, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		return nil, fmt.Errorf("it is not base64: %w", err)
	}
	at, err := url.Parse(string(decoded))
	if err != nil {
		return nil, errors.New("it holds no URL")
	}
	sts, err := url.Parse(e.STSEndpoint)
	if err != nil {
		return nil, err
	}
	if at.Scheme != sts.Scheme || at.Host != sts.Host || at.User != nil {
		return nil, errors.New("its URL leads elsewhere than to STS: " + at.Host)
	}
	if action := at.Query().Get("Action"); action != "GetCallerIdentity" {
		return nil, errors.New("its URL is of the action " + action)
	}
	return at, nil
}

// verify checks dates and signature of the URL.
func (e *EKS) verify(ctx context.Context, at *url.URL) error {
	query := at.Query()
	signed, err := time.Parse("20060102T150405Z", query.Get("X-Amz-Date"))
	if err != nil {
		return fmt.Errorf("X-Amz-Date: %w", err)
	}
	seconds, err := strconv.Atoi(query.Get("X-Amz-Expires"))
	if err != nil || seconds < 0 || time.Duration(seconds)*time.Second > longestExpiry {
		return errors.New("X-Amz-Expires is not between 0 and 900: " + query.Get("X-Amz-Expires"))
	}
	if age := time.Since(signed); age > tokenLasts {
		return fmt.Errorf("it expired %s ago", (age - tokenLasts).Round(time.Second))
	}
	if !strings.Contains(";"+query.Get("X-Amz-SignedHeaders")+";", ";"+clusterHeader+";") {
		return errors.New("the header " + clusterHeader + " is not signed")
	}
	wanted, err := e.signature(ctx, at, signed)
	if err != nil {
		return err
	}
	if wanted != query.Get("X-Amz-Signature") {
		return errors.New("its signature is not that of a token for the cluster " + e.Cluster)
	}
	return nil
}

// signature is what the URL's would be if it was made for this cluster.
func (e *EKS) signature(ctx context.Context, at *url.URL, signed time.Time) (string, error) {
	query := at.Query()
	scope := strings.Split(query.Get("X-Amz-Credential"), "/")
	if len(scope) != 5 {
		return "", errors.New("X-Amz-Credential is " + query.Get("X-Amz-Credential"))
	}
	for _, name := range []string{"Algorithm", "Credential", "Date", "Security-Token", "Signature", "SignedHeaders"} {
		query.Del("X-Amz-" + name) // what signing adds
	}
	unsigned := *at
	unsigned.RawQuery = query.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, unsigned.String(), nil)
	if err != nil {
		return "", err
	}
	request.Header.Set(clusterHeader, e.Cluster)
	secret := e.SecretKey
	if secret == "" {
		secret = "test"
	}
	credentials := aws.Credentials{AccessKeyID: scope[0], SecretAccessKey: secret, SessionToken: at.Query().Get("X-Amz-Security-Token")}
	nothing := sha256.Sum256(nil)
	resigned, _, err := v4.NewSigner().PresignHTTP(ctx, credentials, request, hex.EncodeToString(nothing[:]), scope[3], scope[2], signed)
	if err != nil {
		return "", err
	}
	parsed, err := url.Parse(resigned)
	if err != nil {
		return "", err
	}
	return parsed.Query().Get("X-Amz-Signature"), nil
}

// call asks STS.
func (e *EKS) call(ctx context.Context, at *url.URL) (caller, error) {
	const timeout, most = 10 * time.Second, 1 << 20
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return caller{}, err
	}
	request.Header.Set(clusterHeader, e.Cluster)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return caller{}, fmt.Errorf("call STS: %w", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, most))
	if err != nil {
		return caller{}, fmt.Errorf("read STS's answer: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return caller{}, fmt.Errorf("STS answers %s: %s", response.Status, body)
	}
	var answer struct {
		Caller caller `xml:"GetCallerIdentityResult"`
	}
	if err := xml.Unmarshal(body, &answer); err != nil {
		return caller{}, fmt.Errorf("read STS's answer: %w", err)
	}
	return answer.Caller, nil
}
