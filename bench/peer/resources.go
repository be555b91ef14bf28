package main

import (
	"fmt"
	"time"

	accesslog "github.com/envoyproxy/go-control-plane/envoy/config/accesslog/v3"
	cluster "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpoint "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listener "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	stream "github.com/envoyproxy/go-control-plane/envoy/extensions/access_loggers/stream/v3"
	tcpproxy "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/tcp_proxy/v3"
	tls "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	xdstype "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// What one LoadBalancer becomes: what kubelb-xds makes of it. tests/bench holds the two against each other.

const (
	endpointPort      = 30443
	firstListenerPort = 20000
	hosts             = 3
)

func nameOf(tenant string, number int) string {
	return fmt.Sprintf("%s-lb-%d-ep-0-port-%d-TCP", tenant, number, endpointPort)
}

func seconds(n int64) *durationpb.Duration { return durationpb.New(time.Duration(n) * time.Second) }

func number(n uint32) *wrapperspb.UInt32Value { return wrapperspb.UInt32(n) }

func tcpKeepalive() *core.TcpKeepalive {
	return &core.TcpKeepalive{KeepaliveProbes: number(3), KeepaliveTime: number(180), KeepaliveInterval: number(30)}
}

func packed(message proto.Message) (*anypb.Any, error) {
	out := &anypb.Any{}
	return out, anypb.MarshalFrom(out, message, proto.MarshalOptions{Deterministic: true})
}

func clusterOf(name string, ca []byte) (*cluster.Cluster, error) {
	context, err := packed(&tls.UpstreamTlsContext{CommonTlsContext: &tls.CommonTlsContext{
		TlsParams: &tls.TlsParameters{TlsMaximumProtocolVersion: tls.TlsParameters_TLSv1_3},
		ValidationContextType: &tls.CommonTlsContext_ValidationContext{ValidationContext: &tls.CertificateValidationContext{
			TrustedCa: &core.DataSource{Specifier: &core.DataSource_InlineBytes{InlineBytes: ca}},
		}},
	}})
	if err != nil {
		return nil, err
	}
	return &cluster.Cluster{
		Name:                 name,
		ClusterDiscoveryType: &cluster.Cluster_Type{Type: cluster.Cluster_EDS},
		EdsClusterConfig: &cluster.Cluster_EdsClusterConfig{EdsConfig: &core.ConfigSource{
			ConfigSourceSpecifier: &core.ConfigSource_Ads{Ads: &core.AggregatedConfigSource{}},
			ResourceApiVersion:    core.ApiVersion_V3,
		}},
		ConnectTimeout: seconds(5),
		HealthChecks: []*core.HealthCheck{{
			Timeout:            seconds(5),
			Interval:           seconds(5),
			UnhealthyThreshold: number(3),
			HealthyThreshold:   number(2),
			NoTrafficInterval:  seconds(5),
			HealthChecker:      &core.HealthCheck_TcpHealthCheck_{TcpHealthCheck: &core.HealthCheck_TcpHealthCheck{}},
		}},
		TransportSocket: &core.TransportSocket{
			Name:       "envoy.transport_sockets.tls",
			ConfigType: &core.TransportSocket_TypedConfig{TypedConfig: context},
		},
		CommonLbConfig:            &cluster.Cluster_CommonLbConfig{HealthyPanicThreshold: &xdstype.Percent{}},
		UpstreamConnectionOptions: &cluster.UpstreamConnectionOptions{TcpKeepalive: tcpKeepalive()},
		IgnoreHealthOnHostRemoval: true,
	}, nil
}

func address(host string, port uint32) *core.Address {
	return &core.Address{Address: &core.Address_SocketAddress{SocketAddress: &core.SocketAddress{
		Address:       host,
		PortSpecifier: &core.SocketAddress_PortValue{PortValue: port},
	}}}
}

func assignmentOf(name string) *endpoint.ClusterLoadAssignment {
	endpoints := make([]*endpoint.LbEndpoint, hosts)
	for i := range endpoints {
		endpoints[i] = &endpoint.LbEndpoint{HostIdentifier: &endpoint.LbEndpoint_Endpoint{
			Endpoint: &endpoint.Endpoint{Address: address(fmt.Sprintf("10.0.0.%d", i+1), endpointPort)},
		}}
	}
	return &endpoint.ClusterLoadAssignment{
		ClusterName: name,
		Endpoints:   []*endpoint.LocalityLbEndpoints{{LbEndpoints: endpoints}},
	}
}

var logged = map[string]any{
	"start_time":                        "%START_TIME%",
	"upstream_host":                     "%UPSTREAM_HOST%",
	"upstream_cluster":                  "%UPSTREAM_CLUSTER_RAW%",
	"upstream_tls_version":              "%UPSTREAM_TLS_VERSION%",
	"downstream_remote_address":         "%DOWNSTREAM_REMOTE_ADDRESS%",
	"downstream_local_address":          "%DOWNSTREAM_LOCAL_ADDRESS%",
	"bytes_received":                    "%BYTES_RECEIVED%",
	"bytes_sent":                        "%BYTES_SENT%",
	"duration_ms":                       "%DURATION%",
	"response_flags":                    "%RESPONSE_FLAGS%",
	"upstream_transport_failure_reason": "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
	"connection_termination_details":    "%CONNECTION_TERMINATION_DETAILS%",
}

func accessLog() (*accesslog.AccessLog, error) {
	fields, err := structpb.NewStruct(logged)
	if err != nil {
		return nil, err
	}
	config, err := packed(&stream.StdoutAccessLog{AccessLogFormat: &stream.StdoutAccessLog_LogFormat{
		LogFormat: &core.SubstitutionFormatString{
			Format: &core.SubstitutionFormatString_JsonFormat{JsonFormat: fields},
		},
	}})
	if err != nil {
		return nil, err
	}
	return &accesslog.AccessLog{
		Name:       "envoy.access_loggers.stdout",
		ConfigType: &accesslog.AccessLog_TypedConfig{TypedConfig: config},
	}, nil
}

func listenerOf(name string, port uint32, log *accesslog.AccessLog) (*listener.Listener, error) {
	proxy, err := packed(&tcpproxy.TcpProxy{
		StatPrefix:       name,
		ClusterSpecifier: &tcpproxy.TcpProxy_Cluster{Cluster: name},
		AccessLog:        []*accesslog.AccessLog{log},
	})
	if err != nil {
		return nil, err
	}
	return &listener.Listener{
		Name:    name,
		Address: address("0.0.0.0", port),
		FilterChains: []*listener.FilterChain{{Filters: []*listener.Filter{{
			Name:       "envoy.filters.network.tcp_proxy",
			ConfigType: &listener.Filter_TypedConfig{TypedConfig: proxy},
		}}}},
		TcpKeepalive: tcpKeepalive(),
	}, nil
}
