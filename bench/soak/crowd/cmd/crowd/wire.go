package main

// The discovery protocol's bytes, as far as a client needs them: fields are read and written as they stand on the wire, so that what
// is measured and judged is the server and not a library.

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
)

const (
	clusters  = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
	endpoints = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
	listeners = "type.googleapis.com/envoy.config.listener.v3.Listener"
)

const edsType = 3 // envoy.config.cluster.v3.Cluster.DiscoveryType

// raw is a codec that leaves messages as they are.
type raw struct{}

func (raw) Marshal(message any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(message.([]byte))}, nil
}

func (raw) Unmarshal(data mem.BufferSlice, message any) error {
	*(message.(*[]byte)) = data.Materialize()
	return nil
}

func (raw) Name() string { return "proto" }

// content stands for a resource's bytes.
type content [sha256.Size]byte

// item is a resource of a response. eds is the name of the endpoints that a cluster waits for, if it does.
type item struct {
	name, version, eds string
	content            content
}

// response is either kind of discovery response; version is the type's.
type response struct {
	typeURL, nonce, version string
	items                   []item
	removed                 []string
}

// each calls take with each field of a message.
func each(message []byte, take func(number protowire.Number, value []byte, varint uint64) error) error {
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return protowire.ParseError(n)
		}
		message = message[n:]
		var value []byte
		var varint uint64
		switch kind {
		case protowire.BytesType:
			value, n = protowire.ConsumeBytes(message)
		case protowire.VarintType:
			varint, n = protowire.ConsumeVarint(message)
		default:
			n = protowire.ConsumeFieldValue(number, kind, message)
		}
		if n < 0 {
			return protowire.ParseError(n)
		}
		message = message[n:]
		if err := take(number, value, varint); err != nil {
			return err
		}
	}
	return nil
}

func parse(message []byte, delta bool) (response, error) {
	var found response
	var bodies [][]byte
	err := each(message, func(number protowire.Number, value []byte, _ uint64) error {
		switch {
		case number == 1:
			found.version = string(value)
		case number == 2:
			bodies = append(bodies, value)
		case number == 4:
			found.typeURL = string(value)
		case number == 5:
			found.nonce = string(value)
		case number == 6 && delta:
			found.removed = append(found.removed, string(value))
		}
		return nil
	})
	for _, body := range bodies {
		if err != nil {
			break
		}
		var one item
		if one, err = parseItem(body, delta, found.typeURL); err == nil {
			found.items = append(found.items, one)
		}
	}
	if err == nil && found.nonce == "" {
		err = errors.New("a response without a nonce")
	}
	return found, err
}

func parseItem(body []byte, delta bool, typeURL string) (item, error) {
	var found item
	packed := body
	if delta {
		err := each(body, func(number protowire.Number, value []byte, _ uint64) error {
			switch number {
			case 1:
				found.version = string(value)
			case 2:
				packed = value
			case 3:
				found.name = string(value)
			}
			return nil
		})
		if err != nil {
			return found, err
		}
	}
	var message []byte
	err := each(packed, func(number protowire.Number, value []byte, _ uint64) error {
		if number == 1 && string(value) != typeURL {
			return fmt.Errorf("a %s in a response of %s", value, typeURL)
		}
		if number == 2 {
			message = value
		}
		return nil
	})
	if err != nil {
		return found, err
	}
	found.content = sha256.Sum256(message)
	name, kind, service := "", uint64(0), ""
	err = each(message, func(number protowire.Number, value []byte, varint uint64) error {
		switch {
		case number == 1: // the name: of a cluster, of a listener, of an assignment
			name = string(value)
		case typeURL == clusters && number == 2:
			kind = varint
		case typeURL == clusters && number == 3:
			return each(value, func(number protowire.Number, value []byte, _ uint64) error {
				if number == 2 {
					service = string(value)
				}
				return nil
			})
		}
		return nil
	})
	if delta && found.name != name {
		return found, fmt.Errorf("%q holds a resource named %q", found.name, name)
	}
	found.name = name
	if kind == edsType {
		found.eds = name
		if service != "" {
			found.eds = service
		}
	}
	return found, err
}

// request is either kind of discovery request. names are those of a state-of-the-world request, or a delta one's new ones.
type request struct {
	tenant, node            string // of the first request of a stream only
	typeURL, version, nonce string
	names, unsubscribe      []string
	have                    map[string]string
	refusal                 string
}

func text(message []byte, number protowire.Number, value string) []byte {
	if value == "" {
		return message
	}
	return protowire.AppendString(protowire.AppendTag(message, number, protowire.BytesType), value)
}

func inner(message []byte, number protowire.Number, value []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(message, number, protowire.BytesType), value)
}

func (r request) encode(delta bool) []byte {
	var node, status, message []byte
	if r.node != "" {
		node = text(text(nil, 1, r.node), 2, r.tenant)
	}
	if r.refusal != "" {
		status = protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 13)
		status = text(status, 2, r.refusal)
	}
	if !delta {
		message = text(nil, 1, r.version)
		if node != nil {
			message = inner(message, 2, node)
		}
		for _, name := range r.names {
			message = text(message, 3, name)
		}
		message = text(text(message, 4, r.typeURL), 5, r.nonce)
		if status != nil {
			message = inner(message, 6, status)
		}
		return message
	}
	if node != nil {
		message = inner(message, 1, node)
	}
	message = text(message, 2, r.typeURL)
	for _, name := range r.names {
		message = text(message, 3, name)
	}
	for _, name := range r.unsubscribe {
		message = text(message, 4, name)
	}
	for name, version := range r.have {
		message = inner(message, 5, text(text(nil, 1, name), 2, version))
	}
	message = text(message, 6, r.nonce)
	if status != nil {
		message = inner(message, 7, status)
	}
	return message
}
