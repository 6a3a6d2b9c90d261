//go:build tools

// Package tools pins h2spec, the HTTP/2 conformance tester, with all it is built from. The libraries are old on
// purpose: they build with Go 1.19, so Debian's own compiler is enough. h2spec has newer releases than 2.2.1.
package tools

import _ "github.com/summerwind/h2spec/cmd/h2spec"
