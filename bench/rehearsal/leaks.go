//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes"
)

// leaks looks for every secret that the account has and had: in all that gmctl
// has written and printed, in the arguments of the processes that ran meanwhile,
// in Terraform's state and the other buckets, in what the pods say, and in all
// objects of Kubernetes. There Secrets alone may hold them, and must: a search
// that finds nothing anywhere proves nothing.
func (r *run) leaks(ctx context.Context) error {
	if err := r.noteSecrets(ctx); err != nil {
		return err
	}
	search := &search{values: r.secrets}
	if err := errors.Join(r.searchMachine(search), search.buckets(ctx), r.searchKubernetes(ctx, search)); err != nil {
		return err
	}
	if err := r.noLeak(search); err != nil {
		return err
	}
	for name := range r.secrets {
		if !search.kept[name] && !strings.HasSuffix(name, rotatedAway) {
			return fmt.Errorf("%s is not found even in the Secrets of Kubernetes: it is not sought in the right form", name)
		}
	}
	return nil
}

// leaksAfterwards looks on this machine for what the account had.
func (r *run) leaksAfterwards(context.Context) error {
	search := &search{values: r.secrets}
	if err := r.searchMachine(search); err != nil {
		return err
	}
	return r.noLeak(search)
}

func (r *run) searchMachine(search *search) error {
	search.in("what was printed", r.player.printedAnywhere())
	search.in("the arguments of a process", []byte(r.watch.seen()))
	search.in("the account's own logs", []byte(r.account.Logs()))
	return search.files(r.player.folder)
}

func (r *run) noLeak(search *search) error {
	r.proof.Leaks += len(search.found)
	if len(search.found) == 0 {
		return nil
	}
	return errors.New(strings.Join(search.found, "; "))
}

// search is for values, by their names.
type search struct {
	values map[string]string
	found  []string        // what was found where none may be
	kept   map[string]bool // what was found where it belongs
}

// names are the values that stand in text.
func (s *search) names(text []byte) []string {
	var names []string
	for name, value := range s.values {
		if bytes.Contains(text, []byte(value)) || bytes.Contains(text, []byte(base64.StdEncoding.EncodeToString([]byte(value)))) {
			names = append(names, name)
		}
	}
	return names
}

func (s *search) in(where string, text []byte) {
	for _, name := range s.names(text) {
		s.found = append(s.found, name+" stands in "+where)
	}
}

func (s *search) files(folder string) error {
	return filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		if err == nil {
			s.in(path, text)
		}
		return err
	})
}

// buckets looks into all objects of the account's buckets, the latest version of
// each.
func (s *search) buckets(ctx context.Context) error {
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return err
	}
	client := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	all, err := client.ListBuckets(ctx, nil)
	if err != nil {
		return err
	}
	for _, bucket := range all.Buckets {
		pages := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: bucket.Name})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return err
			}
			for _, object := range page.Contents {
				answer, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket.Name, Key: object.Key})
				if err != nil {
					return err
				}
				text, err := io.ReadAll(answer.Body)
				if err := errors.Join(err, answer.Body.Close()); err != nil {
					return err
				}
				s.in("s3://"+aws.ToString(bucket.Name)+"/"+aws.ToString(object.Key), text)
			}
		}
	}
	return nil
}

// searchKubernetes looks into all objects, and into the logs of our own pods.
func (r *run) searchKubernetes(ctx context.Context, s *search) error {
	s.kept = map[string]bool{}
	err := r.everyObject(ctx, "", func(resource string, object *unstructured.Unstructured) error {
		text, err := object.MarshalJSON()
		if err != nil {
			return err
		}
		if object.GetKind() == "Secret" {
			for _, name := range s.names(text) {
				s.kept[name] = true
			}
			return nil
		}
		s.in(resource+" "+object.GetNamespace()+"/"+object.GetName(), text)
		return nil
	})
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(r.account.Kube.AdminConfig())
	if err != nil {
		return err
	}
	own, err := client.CoreV1().Pods("").List(ctx, meta.ListOptions{LabelSelector: ownPods})
	if err != nil {
		return err
	}
	if len(own.Items) == 0 {
		return errors.New("no pod of our own runs: there are no logs to look into")
	}
	for _, pod := range own.Items {
		text, err := client.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, &core.PodLogOptions{}).DoRaw(ctx)
		if err != nil {
			return fmt.Errorf("the logs of %s: %w", pod.Name, err)
		}
		s.in("the logs of "+pod.Name, text)
	}
	return nil
}

// ownPods selects the pods of our own image.
const ownPods = "gmctl.gamemetrics.io/image=own"

// rotatedAway ends the names of values that the account had.
const rotatedAway = ", before its rotation"

// noteSecrets adds to the values that are sought those that the account has now.
func (r *run) noteSecrets(ctx context.Context) error {
	values, err := secretValues(ctx)
	if err != nil {
		return err
	}
	if len(values) == 0 {
		return errors.New("the account has no secret: there is nothing to look for")
	}
	if values[platformKey], err = r.platformKey(ctx); err != nil {
		return err
	}
	if r.secrets == nil {
		r.secrets = map[string]string{}
	}
	for name, value := range values {
		if old := r.secrets[name]; old != "" && old != value {
			r.secrets[name+rotatedAway] = old
		}
		r.secrets[name] = value
	}
	return nil
}

// secretValues are the strings of all secrets in Secrets Manager that nobody
// could guess, by where they stand.
func secretValues(ctx context.Context) (map[string]string, error) {
	vault, err := openVault(ctx)
	if err != nil {
		return nil, err
	}
	const guessable = 12 // a user's name is no secret
	values := map[string]string{}
	err = vault.each(ctx, func(name string, fields map[string]any) error {
		for field, value := range fields {
			if text, ok := value.(string); ok && len(text) > guessable && field != "username" {
				values[name+"."+field] = text
			}
		}
		return nil
	})
	return values, err
}
