//! Writes heads, with every field that must not pass left out and every field that is ours set.

use egressway_core::hygiene::{joined_cookies, request_fields, response_fields};
use egressway_core::{FieldName, Fields, Framing, RequestHead, ResponseHead, Version};

/// What the proxy decides about a request to an origin.
pub struct ToOrigin<'a> {
    /// The `Host` to send.
    pub host: &'a [u8],
    /// Whole value of `X-Forwarded-For`.
    pub forwarded_for: &'a [u8],
    /// `http` or `https`.
    pub forwarded_proto: &'a [u8],
    /// Whole value of `Forwarded` (RFC 7239).
    pub forwarded: &'a [u8],
    pub request_id: &'a [u8],
    /// Whole value of `CDN-Loop` (RFC 8586).
    pub cdn_loop: &'a [u8],
    /// Of the body towards the origin.
    pub framing: Framing,
    /// `Some`: a WebSocket opening with this key, which replaces the client's.
    pub websocket_key: Option<&'a [u8]>,
    /// `Expect: 100-continue` is sent.
    pub expect_continue: bool,
}

/// What the proxy decides about a response to a client.
pub struct ToClient<'a> {
    /// What the client speaks: HTTP/1.0 or 1.1.
    pub version: Version,
    /// Of the body towards the client.
    pub framing: Framing,
    /// Another request may follow on the connection.
    pub keep_alive: bool,
    /// Replaces the origin's own. Empty: none is sent.
    pub request_id: &'a [u8],
    /// `Some`: the answer that opens a WebSocket.
    pub websocket_accept: Option<&'a [u8]>,
}

/// One line of a head or of trailers.
pub fn write_field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

fn length_field(out: &mut Vec<u8>, length: u64) {
    let mut digits = itoa::Buffer::new();
    write_field(out, b"Content-Length", digits.format(length).as_bytes());
}

/// Appends a request head in HTTP/1.1, whose connection is kept. Fields keep their order and letter case; what
/// may not pass and what a client says of itself is left out ([`request_fields`]).
pub fn write_request(out: &mut Vec<u8>, head: &RequestHead, to: &ToOrigin<'_>) {
    out.extend_from_slice(head.method_bytes());
    out.push(b' ');
    out.extend_from_slice(head.target());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    write_field(out, b"Host", to.host);
    for (_, name, value) in request_fields(&head.fields) {
        write_field(out, name, value);
    }
    if head.fields.has(FieldName::Cookie) {
        out.extend_from_slice(b"Cookie: ");
        joined_cookies(&head.fields, out);
        out.extend_from_slice(b"\r\n");
    }
    write_field(out, b"X-Forwarded-For", to.forwarded_for);
    write_field(out, b"X-Forwarded-Proto", to.forwarded_proto);
    write_field(out, b"Forwarded", to.forwarded);
    write_field(out, b"X-Request-Id", to.request_id);
    write_field(out, b"CDN-Loop", to.cdn_loop);
    write_request_framing(out, head, to);
    if let Some(key) = to.websocket_key {
        out.extend_from_slice(b"Connection: Upgrade\r\nUpgrade: websocket\r\n");
        out.extend_from_slice(b"Sec-WebSocket-Version: 13\r\n");
        write_field(out, b"Sec-WebSocket-Key", key);
    } else if head.accepts_trailers {
        out.extend_from_slice(b"Connection: TE\r\nTE: trailers\r\n");
    }
    if to.expect_continue {
        out.extend_from_slice(b"Expect: 100-continue\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

fn write_request_framing(out: &mut Vec<u8>, head: &RequestHead, to: &ToOrigin<'_>) {
    match to.framing {
        Framing::Length(length) => length_field(out, length),
        Framing::Chunked | Framing::UntilClose => {
            out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
            announce_trailers(out, &head.fields);
        }
        // Methods that usually have a body say so when they have none (RFC 9110 section 8.6).
        Framing::None if to.websocket_key.is_none() && wants_length(head) => length_field(out, 0),
        Framing::None => {}
    }
}

fn wants_length(head: &RequestHead) -> bool {
    use egressway_core::Method::{Patch, Post, Put};
    matches!(head.method, Post | Put | Patch) || head.fields.has(FieldName::ContentLength)
}

fn announce_trailers(out: &mut Vec<u8>, fields: &Fields) {
    for value in fields.get_all(FieldName::Trailer) {
        write_field(out, b"Trailer", value);
    }
}

/// Appends a response head. Fields keep their order and letter case ([`response_fields`]); exactly one field
/// tells the length, or none. The status is not changed: for a WebSocket's opening `head` is the origin's 101.
pub fn write_response(out: &mut Vec<u8>, head: &ResponseHead, to: &ToClient<'_>) {
    let mut digits = itoa::Buffer::new();
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(digits.format(head.status).as_bytes());
    out.push(b' ');
    out.extend_from_slice(reason(head.status).as_bytes());
    out.extend_from_slice(b"\r\n");
    for (_, name, value) in response_fields(&head.fields) {
        write_field(out, name, value);
    }
    if !to.request_id.is_empty() {
        write_field(out, b"X-Request-Id", to.request_id);
    }
    if let Some(accept) = to.websocket_accept {
        out.extend_from_slice(b"Connection: Upgrade\r\nUpgrade: websocket\r\n");
        write_field(out, b"Sec-WebSocket-Accept", accept);
    } else if !head.is_interim() {
        write_response_framing(out, head, to);
    }
    out.extend_from_slice(b"\r\n");
}

fn write_response_framing(out: &mut Vec<u8>, head: &ResponseHead, to: &ToClient<'_>) {
    match to.framing {
        Framing::Length(length) => length_field(out, length),
        Framing::Chunked => {
            out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
            announce_trailers(out, &head.fields);
        }
        Framing::UntilClose => {}
        // HEAD and 304 tell the length of a body that does not follow.
        Framing::None => match head.fields.get(FieldName::ContentLength) {
            Some(length) if head.status != 204 => write_field(out, b"Content-Length", length),
            _ => {}
        },
    }
    match (to.version, to.keep_alive) {
        (_, false) => out.extend_from_slice(b"Connection: close\r\n"),
        (Version::Http10, true) => out.extend_from_slice(b"Connection: keep-alive\r\n"),
        _ => {}
    }
}

/// The phrase of RFC 9110 for a status; clients ignore it, people reading wire logs do not.
const fn reason(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        101 => "Switching Protocols",
        102 => "Processing",
        103 => "Early Hints",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        203 => "Non-Authoritative Information",
        204 => "No Content",
        205 => "Reset Content",
        206 => "Partial Content",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        425 => "Too Early",
        426 => "Upgrade Required",
        428 => "Precondition Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        451 => "Unavailable For Legal Reasons",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}
