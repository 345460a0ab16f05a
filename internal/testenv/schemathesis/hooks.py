"""What schemathesis does not know by itself: bodies of lines of JSON, and what time it is."""

import datetime
import json
import re

import schemathesis

MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")


@schemathesis.serializer("application/x-ndjson")
def lines(_context, value):
    if isinstance(value, bytes):
        return value
    text = value if isinstance(value, str) else json.dumps(value)
    return text.encode("utf-8", "surrogatepass")


@schemathesis.hook
def map_body(_context, body):
    """Has events happen now: most times that the document allows are too old, or to come."""
    for event in body if isinstance(body, list) else [body]:
        if isinstance(event, dict) and MOMENT.fullmatch(str(event.get("timestamp"))):
            event["timestamp"] = datetime.datetime.now(datetime.timezone.utc).isoformat()
    return body
