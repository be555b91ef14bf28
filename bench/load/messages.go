package main

import (
	"encoding/binary"
	"fmt"
)

// The few fields of envoy/service/discovery/v3/discovery.proto that matter, by hand.
const clusterType = "type.googleapis.com/envoy.config.cluster.v3.Cluster"

// A variant is one of the protocol's two, by its field numbers.
type variant struct {
	method                             string
	requestNode, requestType, nonce    byte
	requestVersion                     byte // 0: requests have none
	responseResources, responseVersion uint64
	responseNonce                      uint64
}

var variants = map[string]variant{
	"delta": {
		method:      "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources",
		requestNode: 1, requestType: 2, nonce: 6,
		responseResources: 2, responseVersion: 1, responseNonce: 5,
	},
	"sotw": {
		method:      "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources",
		requestNode: 2, requestType: 4, nonce: 5, requestVersion: 1,
		responseResources: 2, responseVersion: 1, responseNonce: 5,
	},
}

func field(message []byte, number byte, content []byte) []byte {
	message = append(message, number<<3|2)
	message = binary.AppendUvarint(message, uint64(len(content)))
	return append(message, content...)
}

// first returns the request that subscribes to all clusters.
func (v variant) first(id, cluster string) []byte {
	node := field(field(nil, 1, []byte(id)), 2, []byte(cluster))
	return field(field(nil, v.requestNode, node), v.requestType, []byte(clusterType))
}

// ack appends the request that ACKs a response to `message`.
func (v variant) ack(message, version, nonce []byte) []byte {
	message = field(message, v.requestType, []byte(clusterType))
	if v.requestVersion != 0 {
		message = field(message, v.requestVersion, version)
	}
	return field(message, v.nonce, nonce)
}

// A scanner reads responses as they arrive, in pieces of any length, and keeps nothing of them but version, nonce and how many
// resources there were.
type scanner struct {
	variant   variant
	complete  func(s *scanner) error
	resources int
	version   []byte
	nonce     []byte

	head []byte // of what comes next, as far as it is there: gRPC's prefix, or a field's tag and length
	left int    // bytes of the message
	skip int    // bytes of the field
	keep *[]byte
}

func (s *scanner) scan(data []byte) error {
	for len(data) > 0 {
		switch {
		case s.skip > 0:
			n := min(s.skip, len(data))
			if s.keep != nil {
				*s.keep = append(*s.keep, data[:n]...)
			}
			data, s.skip, s.left = data[n:], s.skip-n, s.left-n
		case s.left > 0:
			s.head = append(s.head, data[0])
			data, s.left = data[1:], s.left-1
			if err := s.field(); err != nil {
				return err
			}
		default:
			s.head = append(s.head, data[0])
			data = data[1:]
			if len(s.head) < 5 {
				continue
			}
			if s.head[0] != 0 {
				return fmt.Errorf("a compressed message")
			}
			s.left = int(binary.BigEndian.Uint32(s.head[1:]))
			s.head, s.version, s.nonce, s.resources = s.head[:0], s.version[:0], s.nonce[:0], 0
		}
		if s.left == 0 && s.skip == 0 && len(s.head) == 0 {
			if err := s.complete(s); err != nil {
				return err
			}
		}
	}
	return nil
}

// field begins a field once its tag and length are there.
func (s *scanner) field() error {
	tag, n := binary.Uvarint(s.head)
	if n <= 0 {
		return nil
	}
	if tag&7 != 2 {
		return fmt.Errorf("field %d is of wire type %d: a response of this protocol has none of these", tag>>3, tag&7)
	}
	length, m := binary.Uvarint(s.head[n:])
	if m <= 0 {
		return nil
	}
	s.head, s.skip, s.keep = s.head[:0], int(length), nil
	switch tag >> 3 {
	case s.variant.responseResources:
		s.resources++
	case s.variant.responseVersion:
		s.keep = &s.version
	case s.variant.responseNonce:
		s.keep = &s.nonce
	}
	return nil
}
