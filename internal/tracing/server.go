package tracing

import (
	"net"
	"net/http"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// Serve begins the span of a request to a route, such as /api/v1/events, in the trace
// that the request's traceparent names, and returns the request with it. Where it is
// not recorded the span is nil and the request as it was.
func (t *Tracer) Serve(r *http.Request, route, parent, requestID string) (*http.Request, trace.Span) {
	if t == nil {
		return r, nil
	}
	ctx := r.Context()
	if from := remote(parent, strings.Join(r.Header["Tracestate"], ",")); from.IsValid() {
		ctx = trace.ContextWithRemoteSpanContext(ctx, from)
	}
	method, other := methodOf(r.Method)
	ctx, span := t.start(ctx, spanName(method, other, route), trace.SpanKindServer)
	if span == nil {
		return r, nil
	}
	span.SetAttributes(
		method, semconv.HTTPRoute(route), semconv.URLPath(route), semconv.URLScheme(schemeOf(r)),
		semconv.NetworkProtocolVersion(protocolOf(r)), semconv.HTTPResponseHeader("x-request-id", requestID),
	)
	span.SetAttributes(hostOf(r)...)
	return r.WithContext(ctx), span
}

// EndServed ends the span of a request, which may be nil, with the status that was
// answered. What is the client's fault is no error of the server.
func EndServed(span trace.Span, status int) {
	if span == nil {
		return
	}
	span.SetAttributes(semconv.HTTPResponseStatusCode(status))
	if status >= http.StatusInternalServerError {
		span.SetStatus(codes.Error, "")
		span.SetAttributes(semconv.ErrorTypeKey.String(strconv.Itoa(status)))
	}
	span.End()
}

// methodOf is the attribute of a method; other: it is none that HTTP has.
func methodOf(method string) (_ attribute.KeyValue, other bool) {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
		http.MethodDelete, http.MethodConnect, http.MethodOptions, http.MethodTrace:
		return semconv.HTTPRequestMethodKey.String(method), false
	}
	return semconv.HTTPRequestMethodOther, true
}

func spanName(method attribute.KeyValue, other bool, route string) string {
	if other {
		return "HTTP " + route
	}
	return method.Value.AsString() + " " + route
}

func schemeOf(r *http.Request) string {
	if r.TLS != nil {
		return "https"
	}
	return "http"
}

func protocolOf(r *http.Request) string {
	if r.ProtoMajor >= 2 {
		return strconv.Itoa(r.ProtoMajor)
	}
	return strconv.Itoa(r.ProtoMajor) + "." + strconv.Itoa(r.ProtoMinor)
}

// hostOf is whom the client called.
func hostOf(r *http.Request) []attribute.KeyValue {
	host, text, err := net.SplitHostPort(r.Host)
	if err != nil {
		return []attribute.KeyValue{semconv.ServerAddress(r.Host)}
	}
	attributes := []attribute.KeyValue{semconv.ServerAddress(host)}
	if port, err := strconv.ParseUint(text, 10, 16); err == nil {
		attributes = append(attributes, semconv.ServerPort(int(port)))
	}
	return attributes
}
