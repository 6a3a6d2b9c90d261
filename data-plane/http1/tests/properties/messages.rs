//! Random messages: mostly what people send, with a share of everything that breaks a rule.

use proptest::prelude::*;
use proptest::sample::select;

/// Field lines, without their line ends, that are harmless.
fn plain_field() -> impl Strategy<Value = String> {
    prop_oneof![
        select(vec![
            "Accept: */*",
            "accept-encoding:gzip",
            "Cookie: a=1",
            "Cookie: b=2",
            "Connection: keep-alive",
            "Connection: X-Hop, TE",
            "X-Hop: 1",
            "TE: trailers",
            "Trailer: X-Sum",
            "Keep-Alive: timeout=5",
            "Proxy-Connection: keep-alive",
            "Upgrade: h2c",
            "X-Forwarded-For: 192.0.2.66",
            "X_Forwarded_For: 192.0.2.66",
            "Forwarded: for=192.0.2.66",
            "X-Request-ID: forged",
            "Egressway-Zone: forged",
            "Empty:",
            "Date: Thu, 01 Jan 2026 00:00:00 GMT",
            "Set-Cookie: a=1",
            "Set-Cookie: b=2",
        ])
        .prop_map(str::to_owned),
        ("X-[A-Za-z0-9]{1,8}", "[ -~]{0,20}").prop_map(|(name, value)| format!("{name}: {value}")),
    ]
}

/// Field lines that decide about the body, valid or not.
fn framing_field() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => (0_u32..40).prop_map(|length| format!("Content-Length: {length}")),
        3 => Just("Transfer-Encoding: chunked".to_owned()),
        1 => select(vec![
            "Transfer-Encoding: Chunked",
            "Transfer-Encoding: gzip, chunked",
            "Transfer-Encoding: identity",
            "Transfer-Encoding : chunked",
            "Content-Length: +1",
            "Content-Length: 1, 1",
            "Content-Length: 01",
            "Connection: close",
            "Connection: Content-Length",
            "Connection: Host, Transfer-Encoding",
            "Expect: 100-continue",
            "X: a\r\n b",
            "X: a\nContent-Length: 3",
        ])
        .prop_map(str::to_owned),
    ]
}

fn fields() -> impl Strategy<Value = String> {
    let line = prop_oneof![3 => plain_field(), 2 => framing_field()];
    prop::collection::vec(line, 0..6)
        .prop_map(|lines| lines.iter().map(|line| format!("{line}\r\n")).collect())
}

/// Requests, whole heads each, valid more often than not.
pub fn request_head() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        8 => select(vec!["GET", "POST", "PUT", "HEAD", "OPTIONS", "DELETE", "PATCH", "PURGE"])
            .prop_flat_map(|method| "/[a-z0-9?&=%./]{0,12}".prop_map(move |target| format!("{method} {target} HTTP/1.1"))),
        1 => Just("GET / HTTP/1.0".to_owned()),
        1 => Just("OPTIONS * HTTP/1.1".to_owned()),
        1 => Just("GET http://www.example.com/a HTTP/1.1".to_owned()),
        1 => Just("GET /a b HTTP/1.1".to_owned()),
    ];
    let host = prop_oneof![
        12 => Just("Host: www.example.com\r\n"),
        1 => Just("Host: www.example.com\r\nHost: www.example.com\r\n"),
        1 => Just(""),
    ];
    (line, host, fields()).prop_map(|(line, host, fields)| format!("{line}\r\n{host}{fields}\r\n"))
}

/// Responses, whole heads each, final ones only.
pub fn response_head() -> impl Strategy<Value = String> {
    let line = select(vec![
        "HTTP/1.1 200 OK",
        "HTTP/1.1 200 OK",
        "HTTP/1.1 404 Not Found",
        "HTTP/1.1 204 No Content",
        "HTTP/1.1 304 Not Modified",
        "HTTP/1.0 200 OK",
        "HTTP/1.1 599",
        "HTTP/1.1 20 OK",
    ]);
    (line, fields()).prop_map(|(line, fields)| format!("{line}\r\n{fields}\r\n"))
}

fn chunk() -> impl Strategy<Value = String> {
    let extension = prop_oneof![6 => Just(""), 1 => Just(";a=b"), 1 => Just(";a=\"x y\"")];
    ("[a-z]{1,20}", extension)
        .prop_map(|(data, extension)| format!("{:x}{extension}\r\n{data}\r\n", data.len()))
}

/// Chunked bodies, valid more often than not.
pub fn chunked_body() -> impl Strategy<Value = String> {
    let end = prop_oneof![
        6 => Just("0\r\n\r\n"),
        2 => Just("0\r\nX-Sum: 1\r\nX-Other: 2\r\n\r\n"),
        1 => Just("0\r\nContent-Length: 1\r\n\r\n"),
        1 => Just("0\r\n\n"),
        1 => Just("g\r\n"),
    ];
    (prop::collection::vec(chunk(), 0..5), end).prop_map(|(chunks, end)| chunks.concat() + end)
}
