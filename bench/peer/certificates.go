package main

import (
	"bytes"
	"crypto/x509"
	_ "embed"
	"encoding/binary"
	"encoding/pem"
	"fmt"
)

// A CA's certificate whose serial number ends in eight bytes that are free to choose: each LoadBalancer gets one of its own, and a
// new one at each bump, for the price of base64. Nobody checks the signature of a root.
//
//go:embed ca.pem
var template []byte

var marker = []byte("bench:")

type authority struct {
	der []byte
	at  int
}

func newAuthority() (*authority, error) {
	block, _ := pem.Decode(template)
	if block == nil {
		return nil, fmt.Errorf("ca.pem holds no PEM")
	}
	at := bytes.Index(block.Bytes, marker)
	if at < 0 {
		return nil, fmt.Errorf("ca.pem: its serial number does not begin with %q", marker)
	}
	return &authority{der: block.Bytes, at: at + len(marker)}, nil
}

// certificate returns the PEM text of the certificate with this serial number.
func (a *authority) certificate(serial uint64) []byte {
	der := bytes.Clone(a.der)
	binary.BigEndian.PutUint64(der[a.at:], serial)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// checked returns the text if all of it is certificates of CAs: Envoy rejects a whole response for one that is not.
func checked(text []byte) ([]byte, error) {
	found := 0
	for rest := text; ; found++ {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		if !certificate.IsCA {
			return nil, fmt.Errorf("%s is no CA", certificate.Subject)
		}
	}
	if found == 0 {
		return nil, fmt.Errorf("no certificate")
	}
	return text, nil
}
