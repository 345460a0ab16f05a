//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gamemetrics/gmctl/internal/testenv/rehearsal"
)

// The Kubernetes versions that the environment begins with and is upgraded to.
const (
	fromVersion = "1.34"
	toVersion   = "1.35"
)

// proof is what a rehearsal showed.
type proof struct {
	Seed      int64              `json:"seed"`
	Resources int                `json:"resources"` // in AWS, with the environment's tags
	Objects   int                `json:"objects"`   // in Kubernetes, of gmctl's sets
	Pods      map[string]int     `json:"pods"`      // by phase
	Events    events             `json:"events"`
	Kills     int                `json:"kills"`
	Cycles    int                `json:"cycles,omitempty"` // up and down again, in chaos
	Orphans   int                `json:"orphans"`          // after teardown
	Leaks     int                `json:"leaks"`            // places where a secret was found
	Seconds   map[string]float64 `json:"seconds"`          // per stage of the first up
	Steps     []step             `json:"steps"`
	Holds     bool               `json:"holds"`
}

type step struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"`
}

// events are how many went in, and where they are.
type events struct {
	Accepted   int `json:"accepted"`
	InDatabase int `json:"inDatabase"`
	InKafka    int `json:"inKafka"` // read_committed, each id once
}

// run is one rehearsal.
type run struct {
	options
	account *rehearsal.Account
	player  *player
	proof   *proof
	watch   *watch
	secrets map[string]string // what the account keeps and kept secret
}

func rehearse(ctx context.Context, o options) (*proof, error) {
	result := &proof{Seed: o.seed, Pods: map[string]int{}, Seconds: map[string]float64{}}
	fmt.Fprintln(os.Stderr, "starting the account: the first time it builds and fetches what it is made of")
	began := time.Now()
	account, err := rehearsal.Start(ctx)
	if err != nil {
		return result, err
	}
	defer func() { // what is left of it is not the user's
		if stopErr := account.Stop(); stopErr != nil {
			fmt.Fprintln(os.Stderr, "stopping the account:", stopErr)
		}
	}()
	result.note("account", began)
	env, err := account.Env()
	if err != nil {
		return result, err
	}
	if err := setenv(env); err != nil { // the look at AWS goes the way that gmctl goes
		return result, err
	}
	player, err := newPlayer(o, env, os.Stderr)
	if err != nil {
		return result, err
	}
	defer func() {
		if o.keep {
			fmt.Fprintln(os.Stderr, "kept:", player.folder)
			return
		}
		if err := player.clear(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}()
	r := &run{options: o, account: account, player: player, proof: result, watch: watchArguments()}
	defer r.watch.stop()
	if err := r.perform(ctx); err != nil {
		return result, fmt.Errorf("%w\nthe account's own logs:\n%s", err, account.Logs())
	}
	result.Holds = true
	return result, nil
}

// act is a step of a story.
type act struct {
	name string
	play func(context.Context) error
}

// life is the story of an environment that all goes well with, but for kills.
func (r *run) life() []act {
	return []act{
		{"init", r.begin},
		{"doctor", r.typed("doctor -e dev")},
		{"plan", r.plan},
		{"up", r.up},
		{"status", r.status},
		{"history", r.history},
		{"up again", r.upAgain},
		{"rotation", r.rotate},
		{"kafka test", r.typed("kafka test -e dev")},
		{"events", r.load},
		{"database", r.fromHere},
		{"logs", r.logs},
		{"upgrade", r.upgrade},
		{"nodes", r.replaceNodes},
		{"secrets", r.leaks},
		{"teardown", r.teardown},
		{"orphans", r.orphans},
		{"secrets afterwards", r.leaksAfterwards},
	}
}

// perform plays the acts in order and ends with the first that does not hold.
func (r *run) perform(ctx context.Context) error {
	stories := map[string]func() []act{storyLife: r.life, storyTrouble: r.trouble, storyChaos: r.chaos}
	for _, one := range stories[r.story]() {
		began := time.Now()
		if err := one.play(ctx); err != nil {
			return fmt.Errorf("%s: %w", one.name, err)
		}
		r.proof.note(one.name, began)
	}
	if r.transcript == "" {
		return nil
	}
	return r.writeTranscript()
}

func (p *proof) note(name string, began time.Time) {
	p.Steps = append(p.Steps, step{name, time.Since(began).Seconds()})
	fmt.Fprintf(os.Stderr, "\n# %s: %s\n", name, time.Since(began).Round(100*time.Millisecond))
}

// typed is a step that is a command which must succeed.
func (r *run) typed(line string) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := r.player.must(ctx, line)
		return err
	}
}

// begin writes gmctl.yaml as init does, and changes in it what a rehearsal needs.
func (r *run) begin(ctx context.Context) error {
	if _, err := r.player.must(ctx, "init -e dev"); err != nil {
		return err
	}
	const before = "\n      # Credentials"
	if err := r.configure(before, "\n      manifests: "+r.account.Manifests+before); err != nil {
		return err
	}
	return r.configure(`version: "`+toVersion+`"`, `version: "`+fromVersion+`"`)
}

// configure replaces a part of gmctl.yaml, which must be there.
func (r *run) configure(from, to string) error {
	path := filepath.Join(r.player.folder, "gmctl.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if !strings.Contains(string(text), from) {
		return fmt.Errorf("gmctl.yaml does not say %q", from)
	}
	return os.WriteFile(path, []byte(strings.Replace(string(text), from, to, 1)), 0o644)
}

func (r *run) plan(ctx context.Context) error {
	result, err := r.player.must(ctx, "plan -e dev")
	if err != nil {
		return err
	}
	if !strings.Contains(result.stderr, "Nothing was changed.") {
		return errors.New("the plan does not say that nothing was changed")
	}
	resources, err := r.resources(ctx)
	if err == nil && len(resources) > 0 {
		err = fmt.Errorf("the plan made %s", strings.Join(resources, ", "))
	}
	return err
}

// killWithin is about how long an up, and a teardown, take here.
const killWithin = 2 * time.Minute

func (r *run) up(ctx context.Context) error {
	if err := r.kill(ctx, "up -e dev --yes"); err != nil {
		return err
	}
	if _, err := r.player.must(ctx, "up -e dev --yes"); err != nil {
		return err
	}
	resources, err := r.resources(ctx)
	if err != nil {
		return err
	}
	r.proof.Resources = len(resources)
	if err := r.times(ctx); err != nil {
		return err
	}
	return r.look(ctx)
}

// times notes how long the stages of the last run took.
func (r *run) times(ctx context.Context) error {
	var document struct {
		Data struct {
			Stages []struct {
				Name           string  `json:"name"`
				ElapsedSeconds float64 `json:"elapsedSeconds"`
			} `json:"stages"`
		} `json:"data"`
	}
	if err := r.player.document(ctx, "history show -e dev -o json", &document); err != nil {
		return err
	}
	for _, stage := range document.Data.Stages {
		r.proof.Seconds[stage.Name] = stage.ElapsedSeconds
	}
	return nil
}

// kill kills the command as often as the options say, each time a new one.
func (r *run) kill(ctx context.Context, line string) error {
	for range r.kills {
		killed, err := r.player.killed(ctx, line, killWithin)
		if err != nil {
			return err
		}
		if killed {
			r.proof.Kills++
		}
	}
	return nil
}

func (r *run) status(ctx context.Context) error {
	if _, err := r.player.must(ctx, "status -e dev"); err != nil {
		return err
	}
	var document struct{ Data struct{ State string } }
	if err := r.player.document(ctx, "status -e dev -o json", &document); err != nil || document.Data.State != "ready" {
		return errors.Join(fmt.Errorf("the status as JSON says %q", document.Data.State), err)
	}
	return nil
}

// upAgain must change nothing: not in AWS, not in Kubernetes.
func (r *run) upAgain(ctx context.Context) error {
	before, err := r.versions(ctx)
	if err != nil {
		return err
	}
	result, err := r.player.must(ctx, "up -e dev --yes")
	if err != nil {
		return err
	}
	if !strings.Contains(result.stderr, "dev is up, nothing to change") {
		return errors.New("up without a change does something")
	}
	after, err := r.versions(ctx)
	if err != nil {
		return err
	}
	return differing(before, after)
}

func (r *run) logs(ctx context.Context) error {
	result, err := r.player.must(ctx, "logs -e dev ingestion relay --tail 8")
	if err == nil && (!strings.Contains(result.stdout, "ingestion") || !strings.Contains(result.stdout, "relay")) {
		err = errors.New("the logs of ingestion and relay are not there")
	}
	return err
}

func (r *run) history(ctx context.Context) error {
	if err := r.typed("history -e dev")(ctx); err != nil {
		return err
	}
	return r.typed("history show -e dev --gantt")(ctx)
}

// upgrade must end with the new version everywhere and nothing left to do.
func (r *run) upgrade(ctx context.Context) error {
	result, err := r.player.must(ctx, "upgrade -e dev --to "+toVersion+" --yes")
	if err != nil {
		return err
	}
	if strings.Contains(result.stdout+result.stderr, "not checked") {
		return errors.New("something was not looked at before the upgrade")
	}
	if err := r.nodesAre(ctx, "v"+toVersion); err != nil {
		return err
	}
	return r.settled(ctx)
}

// replaceNodes gives a group another instance type.
func (r *run) replaceNodes(ctx context.Context) error {
	if _, err := r.player.must(ctx, "nodes replace system --instance-type t3.large -e dev --yes"); err != nil {
		return err
	}
	result, err := r.player.must(ctx, "nodes list -e dev")
	if err == nil && strings.Contains(result.stdout, "t3.medium") {
		err = errors.New("there are still nodes of the old instance type")
	}
	if err != nil {
		return err
	}
	return r.settled(ctx)
}

// settled is nil where nothing is left to do and every pod runs or is done.
func (r *run) settled(ctx context.Context) error {
	if _, err := r.player.must(ctx, "plan -e dev --detailed-exitcode"); err != nil {
		return fmt.Errorf("the plan is not empty: %w", err)
	}
	return r.look(ctx)
}

func (r *run) teardown(ctx context.Context) error {
	if err := r.kill(ctx, "teardown -e dev --yes"); err != nil {
		return err
	}
	result, err := r.player.must(ctx, "teardown -e dev --yes")
	if err != nil {
		return err
	}
	if r.kills == 0 && strings.Contains(result.stderr, "does not know") {
		return errors.New("Terraform does not know all that it made, although nothing was killed")
	}
	_, err = r.player.must(ctx, "history -e dev")
	return err
}

func (r *run) writeTranscript() error {
	const head = `<!-- Written by make rehearsal ARGS="-transcript docs/rehearsal.md", as it was printed. -->

# From nothing to a platform on AWS, and back

What ` + "`gmctl`" + ` printed when it was led through the life of an environment in a
pretended AWS account: the API is emulated, what stands behind it is real
(Kubernetes, Kafka, PostgreSQL, our own pods). Times are those of the pretended
account; EKS alone takes a real one a quarter of an hour.

` + "```text\n"
	text := strings.ReplaceAll(r.player.transcript(), r.account.Manifests, "/home/ada/k8s")
	text = strings.ReplaceAll(text, r.player.folder, "/home/ada/game")
	file, err := os.Create(r.options.transcript)
	if err != nil {
		return err
	}
	_, err = io.WriteString(file, head+strings.TrimRight(text, "\n")+"\n```\n")
	return errors.Join(err, file.Close())
}

func setenv(env []string) error {
	var errs []error
	for _, entry := range env {
		name, value, _ := strings.Cut(entry, "=")
		errs = append(errs, os.Setenv(name, value))
	}
	return errors.Join(errs...)
}
