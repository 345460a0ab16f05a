// Package schemas holds the metadata of events to JSON Schemas (2020-12), one an
// event type.
//
// Compile reads a schema and says where it is wrong; Registry keeps the active
// schemas of a store in memory, anew every few seconds, and checks events against
// them. An event type without a schema costs one look into a map.
package schemas
