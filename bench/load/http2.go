package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// Windows of flow control as Envoy 1.40 has them by default.
const (
	streamWindow     = 16 << 20
	connectionWindow = 24 << 20
	defaultWindow    = 65535
	streamID         = 1
)

// A call is one gRPC call on a connection of its own, as each Envoy has one: the least of HTTP/2 that does it, so that it is not the
// client which is measured. What it is sent goes to `received`, piece by piece as it comes; messages have gRPC's prefix of five bytes.
type call struct {
	conn     net.Conn
	framer   *http2.Framer
	consumed uint32
	received func([]byte) error
}

func open(address, method string, received func([]byte) error) (*call, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	c := &call{conn: conn, framer: http2.NewFramer(conn, bufio.NewReaderSize(conn, 32<<10)), received: received}
	c.framer.SetReuseFrames()
	if _, err := conn.Write([]byte(http2.ClientPreface)); err != nil {
		return nil, err
	}
	return c, errors.Join(
		c.framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: streamWindow}),
		c.framer.WriteWindowUpdate(0, connectionWindow-defaultWindow),
		c.framer.WriteHeaders(http2.HeadersFrameParam{
			StreamID: streamID, BlockFragment: headers(address, method), EndHeaders: true,
		}),
	)
}

func headers(address, method string) []byte {
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, field := range [][2]string{
		{":method", "POST"}, {":scheme", "http"}, {":path", method}, {":authority", address},
		{"content-type", "application/grpc"}, {"te", "trailers"},
	} {
		// Writing into a buffer does not fail.
		_ = encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]})
	}
	return block.Bytes()
}

// send writes one message, which is small: the server's window is not counted.
func (c *call) send(message []byte) error {
	framed := make([]byte, 5, 5+len(message))
	binary.BigEndian.PutUint32(framed[1:], uint32(len(message)))
	return c.framer.WriteData(streamID, false, append(framed, message...))
}

// read reads frames until the connection or the call ends, which is an error at any time.
func (c *call) read() error {
	for {
		frame, err := c.framer.ReadFrame()
		if err != nil {
			return err
		}
		switch frame := frame.(type) {
		case *http2.DataFrame:
			if err := c.take(frame); err != nil {
				return err
			}
		case *http2.SettingsFrame:
			if !frame.IsAck() {
				err = c.framer.WriteSettingsAck()
			}
		case *http2.PingFrame:
			if !frame.IsAck() {
				err = c.framer.WritePing(true, frame.Data)
			}
		case *http2.RSTStreamFrame:
			err = fmt.Errorf("the server reset the stream: %v", frame.ErrCode)
		case *http2.GoAwayFrame:
			err = fmt.Errorf("the server goes away: %v %s", frame.ErrCode, frame.DebugData())
		case *http2.HeadersFrame:
			if frame.StreamEnded() {
				err = fmt.Errorf("the server ended the stream: %s", status(frame))
			}
		}
		if err != nil {
			return err
		}
	}
}

func (c *call) take(frame *http2.DataFrame) error {
	if err := c.received(frame.Data()); err != nil {
		return err
	}
	c.consumed += frame.Header().Length
	if c.consumed < streamWindow/2 {
		return nil
	}
	consumed := c.consumed
	c.consumed = 0
	return errors.Join(c.framer.WriteWindowUpdate(0, consumed), c.framer.WriteWindowUpdate(streamID, consumed))
}

func status(frame *http2.HeadersFrame) string {
	fields, err := hpack.NewDecoder(4096, nil).DecodeFull(frame.HeaderBlockFragment())
	if err != nil {
		return err.Error()
	}
	text := ""
	for _, field := range fields {
		if field.Name == "grpc-status" || field.Name == "grpc-message" {
			text += field.Name + " " + field.Value + " "
		}
	}
	return text
}
