package tracing

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/gamemetrics/gmctl/internal/buildinfo"
	"github.com/gamemetrics/gmctl/internal/problem"
)

// Configuration is the paragraph of a service's help on traces.
const Configuration = `Traces go by OTLP over HTTP to $OTEL_EXPORTER_OTLP_ENDPOINT, such as
http://localhost:4318; where that is not set there are none. The other OTEL_*
variables of the standard hold too: OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG,
OTEL_EXPORTER_OTLP_HEADERS, OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES,
OTEL_BSP_*, OTEL_SDK_DISABLED.`

// namespace is that of the platform's services among all that are traced.
const namespace = "gamemetrics"

// New returns the tracer of a service, as the environment wants it; nil where it
// wants none. OTEL_SERVICE_NAME may give the service another name. Close the tracer.
// The error is a *problem.Error of kind Usage.
func New(ctx context.Context, service string, log *slog.Logger) (*Tracer, error) {
	endpoint, err := endpoint()
	if err != nil || endpoint == "" {
		return nil, err
	}
	wanted, err := samplerOf(os.Getenv("OTEL_TRACES_SAMPLER"), os.Getenv("OTEL_TRACES_SAMPLER_ARG"))
	if err != nil {
		return nil, err
	}
	otlp, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, &problem.Error{What: "traces cannot be exported to " + endpoint, Cause: err, Next: "correct the OTEL_EXPORTER_OTLP_* variables, or unset them", Kind: problem.Usage}
	}
	about, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithAttributes(
		semconv.ServiceName(service), semconv.ServiceNamespace(namespace), semconv.ServiceVersion(buildinfo.Get().Version),
	), resource.WithHost(), resource.WithFromEnv())
	if err != nil {
		log.Warn("traces do not say all of where they come from", "error", err)
	}
	waiting := &queue{limit: queueSize()}
	export := &exporter{SpanExporter: otlp, queue: waiting, log: log, endpoint: endpoint}
	waiting.SpanProcessor = sdktrace.NewBatchSpanProcessor(export, sdktrace.WithMaxQueueSize(room*int(waiting.limit)))
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithResource(about), sdktrace.WithSpanProcessor(waiting), sdktrace.WithSampler(sampler{wanted, waiting}),
	)
	log.Info("traces are exported", "endpoint", endpoint, "sampler", wanted.Description())
	return &Tracer{provider: provider, tracer: provider.Tracer(scope), queue: waiting, exporter: export}, nil
}

// endpoint is where traces go, without what may be secret in it; empty: nowhere.
func endpoint() (string, error) {
	if strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") {
		return "", nil
	}
	variable := "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
	if os.Getenv(variable) == "" {
		variable = "OTEL_EXPORTER_OTLP_ENDPOINT"
	}
	text := os.Getenv(variable)
	switch name := os.Getenv("OTEL_TRACES_EXPORTER"); {
	case text == "", name == "none":
		return "", nil
	case name != "" && name != "otlp":
		return "", refused("OTEL_TRACES_EXPORTER does not take "+strconv.Quote(name), "choose otlp or none")
	}
	to, err := url.Parse(text)
	if err != nil || to.Host == "" || to.Scheme != "http" && to.Scheme != "https" {
		return "", refused(variable+" is no http or https URL", "write it as http://localhost:4318")
	}
	for _, variable := range []string{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"} {
		switch protocol := os.Getenv(variable); protocol {
		case "":
			continue
		case "http/protobuf", "http/json":
			return to.Redacted(), nil
		default:
			return "", refused(fmt.Sprintf("%s does not take %q here", variable, protocol), "set it to http/protobuf, with the collector's port for HTTP: 4318")
		}
	}
	return to.Redacted(), nil
}

// samplerOf is the sampler that the standard calls by a name, with its argument.
func samplerOf(name, argument string) (sdktrace.Sampler, error) {
	name = strings.ToLower(strings.TrimSpace(name))
	ratio := 1.0
	if argument = strings.TrimSpace(argument); argument != "" && strings.HasSuffix(name, "traceidratio") {
		var err error
		if ratio, err = strconv.ParseFloat(argument, 64); err != nil || !(ratio >= 0 && ratio <= 1) {
			return nil, refused("OTEL_TRACES_SAMPLER_ARG is no part of 1", "set it to a number from 0 to 1, such as 0.01")
		}
	}
	switch name {
	case "", "parentbased_always_on":
		return sdktrace.ParentBased(sdktrace.AlwaysSample()), nil
	case "parentbased_always_off":
		return sdktrace.ParentBased(sdktrace.NeverSample()), nil
	case "parentbased_traceidratio":
		return sdktrace.ParentBased(sdktrace.TraceIDRatioBased(ratio)), nil
	case "always_on":
		return sdktrace.AlwaysSample(), nil
	case "always_off":
		return sdktrace.NeverSample(), nil
	case "traceidratio":
		return sdktrace.TraceIDRatioBased(ratio), nil
	}
	return nil, refused(fmt.Sprintf("OTEL_TRACES_SAMPLER does not take %q", name),
		"choose always_on, always_off, traceidratio, or one of them behind parentbased_")
}

// queueSize is how many spans may wait.
func queueSize() int64 {
	if size, err := strconv.ParseInt(os.Getenv("OTEL_BSP_MAX_QUEUE_SIZE"), 10, 32); err == nil && size > 0 {
		return size
	}
	return sdktrace.DefaultMaxQueueSize
}

func refused(what, next string) error {
	return &problem.Error{What: what, Next: next, Kind: problem.Usage}
}
