// Package eventapi is the HTTP API of event ingestion as it goes over the
// wire: paths, headers and messages. The service and the SDK share it;
// services/ingestion/openapi.json describes it to everyone else.
package eventapi

import "github.com/gamemetrics/gmctl/pkg/event"

// The paths of the API.
const (
	EventsPath  = "/api/v1/events"       // POST one event
	BatchPath   = "/api/v1/events/batch" // POST up to 1,000 events
	HealthPath  = "/health"              // GET: the process serves
	ReadyPath   = "/ready"               // GET: the process can take events
	MetricsPath = "/metrics"             // GET: Prometheus
	OpenAPIPath = "/openapi.json"        // GET: the API's description
)

// The paths that read what is stored, for who looks for a fault. They take an
// administrator's API key. What stands in braces is escaped as a segment of a path.
const (
	EventPath        = "/api/v1/events/{eventId}"          // GET the events that have an id
	PlayerEventsPath = "/api/v1/players/{playerId}/events" // GET a player's events, the latest first
)

// The query parameters of PlayerEventsPath.
const (
	LimitParameter  = "limit"  // events in an answer: 1 to MaxPage
	BeforeParameter = "before" // Events.Next of an earlier answer, or a time: only what is before it
)

// The query parameters that stand in for headers, for who can send none:
// navigator.sendBeacon.
const (
	KeyParameter    = "key"    // KeyHeader
	SentAtParameter = "sentAt" // SentAtHeader
)

// The media types of request bodies.
const (
	JSON   = "application/json"
	NDJSON = "application/x-ndjson" // batches only: one event a line
	Text   = "text/plain"           // JSON, or in a batch NDJSON: what browsers send without asking first
)

const (
	// RequestIDHeader names a request. A client may choose the name (1 to 128
	// letters, digits, '.', '_', ':', '-'); the answer repeats it.
	RequestIDHeader = "X-Request-Id"
	// TestHeader marks the events of a request as a test; its value is the id
	// of the test run. Consumers skip such events.
	TestHeader = "Gmctl-Test"
	// ReplayHeader says that the request sends a dead letter again: what of it is
	// rejected makes no other one. Its value is the letter's place.
	ReplayHeader = "Gmctl-Replay"
	// SentAtHeader is when the client sent the request, by its own clock (RFC 3339):
	// how far that clock is off can be told from it.
	SentAtHeader = "Sent-At"
	// IdempotencyHeader names what the request does (1 to 255 visible ASCII
	// characters, in quotes or not): sent again under it, events that have no id are
	// stored once.
	IdempotencyHeader = "Idempotency-Key"
	// TrafficHeader is what the client says of who causes its events: player, bot or
	// self (the studio).
	TrafficHeader = "Gmctl-Traffic"
	// KeyHeader holds an API key, where Authorization: Bearer cannot.
	KeyHeader = "X-Api-Key"
)

// The limits of a request, unless a deployment chooses others.
const (
	MaxBody      = 64 << 10 // bytes of one event's body
	MaxBatchBody = 1 << 20  // bytes of a batch's body
	MaxBatch     = 1000     // events in a batch
)

// The lengths of an answer to PlayerEventsPath.
const (
	DefaultPage = 50  // events
	MaxPage     = 500 // events
)

// Accepted is the answer to an event that is stored, whether this request or
// an earlier one stored it. Status 201.
type Accepted struct {
	EventID string `json:"eventId"`
}

// Status is what became of one event of a batch.
type Status string

// The statuses of an event in a batch.
const (
	Stored    Status = "stored"
	Duplicate Status = "duplicate" // it was stored before, under the same id and timestamp
	Rejected  Status = "rejected"  // it is invalid, or in conflict with what is stored; the others are not touched by that
)

// BatchAnswer tells what became of each event of a batch, in the order of the
// request. Status 200 if all are stored, 207 if some are rejected.
type BatchAnswer struct {
	Stored     int           `json:"stored"`
	Duplicates int           `json:"duplicates"`
	Rejected   int           `json:"rejected"`
	Results    []BatchResult `json:"results"`
}

// BatchResult tells what became of one event.
type BatchResult struct {
	Status  Status `json:"status"`
	EventID string `json:"eventId,omitempty"` // unless rejected
	Error   *Error `json:"error,omitempty"`   // if rejected
}

// Events is the answer to a request that reads.
type Events struct {
	Events []StoredEvent `json:"events"`
	// Next is BeforeParameter of the request for those that come after these; empty:
	// there are none.
	Next string `json:"next,omitempty"`
}

// StoredEvent is an event as it is stored.
type StoredEvent struct {
	event.Received
	TestRun     string `json:"testRun,omitempty"`     // of the test that sent it
	TraceParent string `json:"traceparent,omitempty"` // W3C trace context of the request that brought it
}

// Failure is the answer to a request that failed as a whole.
type Failure struct {
	Error     Error  `json:"error"`
	RequestID string `json:"requestId"`
}

// Error says what is wrong.
type Error struct {
	Code    Code               `json:"code"`
	Message string             `json:"message"`          // for people
	Fields  []event.FieldError `json:"fields,omitempty"` // each invalid field of the event
}

// Code says in one stable word what is wrong with a request.
type Code string

// The codes of failures, with their HTTP status.
const (
	InvalidEvent         Code = "invalid-event"          // 400; Error.Fields says where
	InvalidBatch         Code = "invalid-batch"          // 400: the body is not a list of events
	InvalidHeader        Code = "invalid-header"         // 400; Error.Fields names it
	InvalidParameter     Code = "invalid-parameter"      // 400; Error.Fields names it: a part of the path or the query
	InvalidEncoding      Code = "invalid-encoding"       // 400: the body is not what Content-Encoding says
	BodyIncomplete       Code = "body-incomplete"        // 400: the connection ended within the body
	Unauthorized         Code = "unauthorized"           // 401, with WWW-Authenticate: no API key, or none that is valid
	Forbidden            Code = "forbidden"              // 403: the API key is valid, and not for this
	RateLimited          Code = "rate-limited"           // 429, with Retry-After; also of one event of a batch
	NotFound             Code = "not-found"              // 404
	MethodNotAllowed     Code = "method-not-allowed"     // 405, with Allow
	BodyTimeout          Code = "body-timeout"           // 408: the body came too slowly
	Conflict             Code = "conflict"               // 409: another event is stored under this id and timestamp; Error.Fields says what differs
	IdempotencyKeyReused Code = "idempotency-key-reused" // 422: the Idempotency-Key came with another event before
	BodyTooLarge         Code = "body-too-large"         // 413
	TooManyEvents        Code = "too-many-events"        // 413
	UnsupportedMediaType Code = "unsupported-media-type" // 415
	UnsupportedEncoding  Code = "unsupported-encoding"   // 415, with Accept-Encoding
	Internal             Code = "internal"               // 500
	Unavailable          Code = "unavailable"            // 503, with Retry-After: the store is down or too slow
	Overloaded           Code = "overloaded"             // 503, with Retry-After: too many events wait already, or too many large requests are on their way
	BacklogFull          Code = "backlog-full"           // 503, with Retry-After: too much is stored that is not published yet
)

// State is the answer to GET /health and GET /ready.
type State struct {
	Status       string       `json:"status"` // ok, warning, or unavailable
	Dependencies []Dependency `json:"dependencies,omitempty"`
}

// The statuses of State and Dependency.
const (
	StatusOK          = "ok"
	StatusWarning     = "warning" // it works, and will not for ever
	StatusUnavailable = "unavailable"
)

// Dependency is one thing that ingestion cannot work without.
type Dependency struct {
	Name   string `json:"name"`
	Status string `json:"status"`           // ok, warning, or unavailable
	Reason string `json:"reason,omitempty"` // unless ok
}
