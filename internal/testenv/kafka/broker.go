package kafka

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/template"

	platform "github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/testenv/process"
)

// The names of a broker's listeners in server.properties.
const (
	plainListener   = "PLAIN"
	tlsListener     = "TLS"
	saslListener    = "SASL"
	saslTLSListener = "SASLTLS"
	throughListener = "THROUGH"
	betweenListener = "BETWEEN" // of the brokers themselves
)

//go:embed server.properties.tmpl
var serverProperties string

type listener struct {
	Name       string
	Port       int
	Advertised string // host:port
}

// broker is one node: its place on disk, its ports and, while it runs, its process.
type broker struct {
	id             int // from 1, as node.id
	dir            string
	listeners      []listener
	controllerPort int
	process        *process.Process
}

// newBrokers chooses ports and writes the configuration of every broker.
func newBrokers(dir string, options Options) ([]*broker, error) {
	names := []string{plainListener}
	if options.TLS {
		names = append(names, tlsListener)
	}
	if options.SASL {
		names = append(names, saslListener)
	}
	if options.SASL && options.TLS {
		names = append(names, saslTLSListener)
	}
	if len(options.Through) > 0 {
		names = append(names, throughListener)
	}
	if len(options.Between) > 0 {
		names = append(names, betweenListener)
	}
	ports, err := freePorts(options.Brokers * (len(names) + 1))
	if err != nil {
		return nil, err
	}
	var brokers []*broker
	var voters []string
	for i := range options.Brokers {
		b := &broker{id: i + 1, dir: filepath.Join(dir, fmt.Sprintf("broker-%d", i+1)), controllerPort: ports[0]}
		ports = ports[1:]
		for _, name := range names {
			advertised := fmt.Sprintf("127.0.0.1:%d", ports[0])
			if name == saslTLSListener && i < len(options.Advertise) {
				advertised = options.Advertise[i]
			}
			if name == throughListener {
				advertised = options.Through[i]
			}
			if name == betweenListener {
				advertised = options.Between[i]
			}
			b.listeners = append(b.listeners, listener{name, ports[0], advertised})
			ports = ports[1:]
		}
		brokers = append(brokers, b)
		voter := b.controllerAddress()
		if len(options.Quorum) > 0 {
			voter = options.Quorum[i]
		}
		voters = append(voters, fmt.Sprintf("%d@%s", b.id, voter))
	}
	for _, b := range brokers {
		if err := b.configure(dir, voters, options); err != nil {
			return nil, err
		}
	}
	return brokers, nil
}

func (b *broker) configure(clusterDir string, voters []string, options Options) error {
	if err := os.MkdirAll(b.dir, 0o755); err != nil {
		return err
	}
	values := map[string]any{
		"ID": b.id, "Listeners": b.listeners, "ControllerPort": b.controllerPort, "Voters": voters,
		"DataDir": filepath.Join(b.dir, "data"), "Replication": options.Brokers, "MinInSync": options.MinInSync,
		"ServerPEM": "", "CAPEM": "", "User": "", "Password": Password, "Authorize": options.Authorize,
		"SASLListeners": []string{"sasl", "sasltls"}, "InterBroker": plainListener,
	}
	if len(options.Between) > 0 {
		values["InterBroker"] = betweenListener
	}
	if options.TLS {
		values["ServerPEM"], values["CAPEM"] = filepath.Join(clusterDir, serverFile), filepath.Join(clusterDir, caFile)
	}
	if options.SASL {
		values["User"] = User
	}
	file, err := os.Create(b.properties())
	if err != nil {
		return err
	}
	parsed, err := template.New("server.properties").Parse(serverProperties)
	if err != nil {
		return err
	}
	return errors.Join(parsed.Execute(file, values), file.Close())
}

func (b *broker) controllerAddress() string { return fmt.Sprintf("127.0.0.1:%d", b.controllerPort) }

func (b *broker) properties() string { return filepath.Join(b.dir, "server.properties") }
func (b *broker) logPath() string    { return filepath.Join(b.dir, "server.log") }

// format writes the identity of the node and, with SASL, the user's SCRAM
// credentials into its data directory.
func (b *broker) format(ctx context.Context, d *Distribution, clusterID string, options Options) error {
	args := []string{"format", "-t", clusterID, "-c", b.properties(), "--ignore-formatted"}
	if options.SASL {
		for _, mechanism := range []string{platform.ScramSHA256, platform.ScramSHA512} {
			args = append(args, "--add-scram", fmt.Sprintf("%s=[name=%s,password=%s]", mechanism, User, Password))
		}
	}
	if output, err := d.Tool(ctx, "kafka.tools.StorageTool", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("format broker %d: %w: %s", b.id, err, process.LastLines(string(output), 10))
	}
	return nil
}

func (b *broker) start(d *Distribution, options Options) error {
	jvm := []string{
		fmt.Sprintf("-Xmx%dm", options.HeapMiB), "-Xms64m", "-Xshare:auto",
		"-Dlog4j2.configurationFile=" + filepath.Join(d.Dir, "log4j2.properties"),
		"-Dkafka.logs.dir=" + b.dir,
		"-Djava.io.tmpdir=" + b.dir, // a broker that is killed leaves its native libraries there
	}
	if options.Optimize {
		jvm = append(jvm, "-XX:+UseG1GC")
	} else {
		jvm = append(jvm, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
	}
	args := append(jvm, "-cp", d.Classpath(), "kafka.Kafka", b.properties())
	cmd := exec.Command(d.Java, args...)
	cmd.Dir = b.dir
	started, err := process.Start(cmd, b.logPath())
	if err != nil {
		return fmt.Errorf("start broker %d: %w", b.id, err)
	}
	b.process = started
	return nil
}

func (b *broker) stop() {
	if b.process != nil {
		b.process.Kill()
		b.process = nil
	}
}

// logTail is the end of the broker's log without stack traces, its long lines
// cut.
func (b *broker) logTail() string {
	const lines, width = 15, 240
	log, err := os.ReadFile(b.logPath())
	if err != nil {
		return err.Error()
	}
	var kept []string
	for line := range strings.SplitSeq(string(log), "\n") {
		if !strings.HasPrefix(line, "\tat ") {
			kept = append(kept, line[:min(len(line), width)])
		}
	}
	return process.LastLines(strings.Join(kept, "\n"), lines)
}

// freePorts returns n ports of the loopback interface that nothing listens on,
// below the range from which systems take the ports of outgoing connections.
func freePorts(n int) ([]int, error) {
	const lowest, highest, tries = 20000, 32000, 1000
	var ports []int
	var held []net.Listener
	defer func() {
		for _, l := range held {
			l.Close()
		}
	}()
	for range tries {
		if len(ports) == n {
			return ports, nil
		}
		port := lowest + rand.IntN(highest-lowest)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		held, ports = append(held, l), append(ports, port)
	}
	return nil, fmt.Errorf("found %d of %d free ports between %d and %d", len(ports), n, lowest, highest)
}
