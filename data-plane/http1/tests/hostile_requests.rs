//! Heads that smuggle, confuse or exhaust, each with the code it is answered with; and their honest neighbours.

use egressway_core::{Code, Framing, RequestHead, Version};
use egressway_http1::{Limits, parse_request};

const LIMITS: Limits = Limits { max_head_bytes: 32 * 1024, max_headers: 100 };

fn verdict(text: &[u8]) -> Result<Option<usize>, Code> {
    parse_request(text, &LIMITS, &mut RequestHead::default())
}

fn read(text: &str) -> RequestHead {
    let mut head = RequestHead::default();
    assert_eq!(parse_request(text.as_bytes(), &LIMITS, &mut head), Ok(Some(text.len())), "{text:?}");
    head
}

/// A request with these lines behind a valid Host.
fn with(lines: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: example.com\r\n{lines}\r\n")
}

fn check(cases: &[(&str, Code)]) {
    for (text, code) in cases {
        assert_eq!(verdict(text.as_bytes()), Err(*code), "{text:?}");
        // Whoever follows on the connection changes nothing.
        let pipelined = [text, "GET /next HTTP/1.1\r\nHost: example.com\r\n\r\n"].concat();
        assert_eq!(verdict(pipelined.as_bytes()), Err(*code), "{pipelined:?}");
    }
}

fn check_lines(cases: &[(&str, Code)]) {
    let texts: Vec<String> = cases.iter().map(|(lines, _)| with(lines)).collect();
    let cases: Vec<(&str, Code)> =
        texts.iter().zip(cases).map(|(text, (_, code))| (text.as_str(), *code)).collect();
    check(&cases);
}

#[test]
fn request_lines() {
    use Code::{BadRequest, MethodNotAllowed, VersionUnsupported};
    check(&[
        ("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", BadRequest),
        ("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", BadRequest),
        (" GET / HTTP/1.1\r\nHost: a\r\n\r\n", BadRequest),
        ("\tGET / HTTP/1.1\r\nHost: a\r\n\r\n", BadRequest),
        ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", BadRequest),
        ("GET /  HTTP/1.1\r\nHost: a\r\n\r\n", BadRequest),
        ("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", BadRequest),
        ("GET / HTTP/1.1\t\r\nHost: a\r\n\r\n", BadRequest),
        ("GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", BadRequest),
        ("GET / HTTP/1.1\nHost: a\r\n\r\n", BadRequest),
        ("GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", BadRequest),
        ("GET /\r HTTP/1.1\r\nHost: a\r\n\r\n", BadRequest),
        ("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", BadRequest),
        ("GET /a\tb HTTP/1.1\r\nHost: a\r\n\r\n", BadRequest),
        ("GET /a\0b HTTP/1.1\r\nHost: a\r\n\r\n", BadRequest),
        ("GET /a\u{7f} HTTP/1.1\r\nHost: a\r\n\r\n", BadRequest),
        ("GET /a#fragment HTTP/1.1\r\nHost: a\r\n\r\n", BadRequest),
        ("GET a HTTP/1.1\r\nHost: a\r\n\r\n", BadRequest),
        ("GET ?a HTTP/1.1\r\nHost: a\r\n\r\n", BadRequest),
        ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", BadRequest),
        ("OPTIONS ** HTTP/1.1\r\nHost: a\r\n\r\n", BadRequest),
        ("GET HTTP/1.1\r\nHost: a\r\n\r\n", BadRequest),
        ("GET /\r\nHost: a\r\n\r\n", BadRequest),
        ("G(T / HTTP/1.1\r\nHost: a\r\n\r\n", BadRequest),
        ("G\u{e4}T / HTTP/1.1\r\nHost: a\r\n\r\n", BadRequest),
        ("GET / http/1.1\r\nHost: a\r\n\r\n", BadRequest),
        ("GET / HTTP/1.1x\r\nHost: a\r\n\r\n", BadRequest),
        ("GET / HTTP/11\r\nHost: a\r\n\r\n", BadRequest),
        ("GET / HTTP/1.10\r\nHost: a\r\n\r\n", BadRequest),
        ("GET / HTTP/ 1.1\r\nHost: a\r\n\r\n", BadRequest),
        ("GET / HTTP/0.9\r\nHost: a\r\n\r\n", VersionUnsupported),
        ("GET / HTTP/1.2\r\nHost: a\r\n\r\n", VersionUnsupported),
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", VersionUnsupported),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", VersionUnsupported),
        ("CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n", MethodNotAllowed),
        ("CONNECT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n", MethodNotAllowed),
        ("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", MethodNotAllowed),
        ("\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\u{fc}", BadRequest),
    ]);
}

#[test]
fn targets_with_an_authority() {
    use Code::{BadRequest, HostInvalid};
    check(&[
        ("GET http://other.example/ HTTP/1.1\r\nHost: example.com\r\n\r\n", HostInvalid),
        ("GET http://example.com:81/ HTTP/1.1\r\nHost: example.com\r\n\r\n", HostInvalid),
        ("GET http://user@example.com/ HTTP/1.1\r\nHost: example.com\r\n\r\n", HostInvalid),
        ("GET http:///path HTTP/1.1\r\nHost: example.com\r\n\r\n", HostInvalid),
        ("GET http://example.com/ HTTP/1.1\r\n\r\n", HostInvalid),
        ("GET ftp://example.com/ HTTP/1.1\r\nHost: example.com\r\n\r\n", BadRequest),
        ("GET example.com/ HTTP/1.1\r\nHost: example.com\r\n\r\n", BadRequest),
        ("GET http:/example.com/ HTTP/1.1\r\nHost: example.com\r\n\r\n", BadRequest),
        ("GET example.com:80 HTTP/1.1\r\nHost: example.com:80\r\n\r\n", BadRequest),
    ]);
}

#[test]
fn hosts() {
    let bad = [
        "",
        "Host:\r\n",
        "Host: a\r\nHost: a\r\n",
        "Host: a\r\nhost: b\r\n",
        "Host: a, b\r\n",
        "Host: a b\r\n",
        "Host: a/b\r\n",
        "Host: a?b\r\n",
        "Host: a#b\r\n",
        "Host: a\\b\r\n",
        "Host: http://a\r\n",
        "Host: user@a\r\n",
        "Host: a:b\r\n",
        "Host: a:99999\r\n",
        "Host: a:-1\r\n",
        "Host: a:80:80\r\n",
        "Host: a:\r\n",
        "Host: :80\r\n",
        "Host: [::1\r\n",
        "Host: ::1\r\n",
        "Host: [::g]\r\n",
        "Host: [::1]a\r\n",
        "Host: a..b\r\n",
        "Host: .a\r\n",
        "Host: a%00\r\n",
        "Host: \u{fc}\r\n",
    ];
    for version in ["1.0", "1.1"] {
        for host in bad {
            let text = format!("GET / HTTP/{version}\r\n{host}\r\n");
            assert_eq!(verdict(text.as_bytes()), Err(Code::HostInvalid), "{text:?}");
        }
    }
}

#[test]
fn framing() {
    use Code::{BadRequest, FramingAmbiguous, TransferCodingUnsupported};
    check_lines(&[
        ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", FramingAmbiguous),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", FramingAmbiguous),
        ("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", FramingAmbiguous),
        ("content-length: 5\r\ntransfer-encoding: identity\r\n", FramingAmbiguous),
        ("Content-Length: 5\r\nContent-Length: 5\r\n", FramingAmbiguous),
        ("Content-Length: 5\r\nContent-Length: 6\r\n", FramingAmbiguous),
        ("Content-Length: 5\r\ncontent-length: 0\r\n", FramingAmbiguous),
        ("Content-Length: 5, 5\r\n", FramingAmbiguous),
        ("Content-Length: +5\r\n", FramingAmbiguous),
        ("Content-Length: -5\r\n", FramingAmbiguous),
        ("Content-Length: 0x5\r\n", FramingAmbiguous),
        ("Content-Length: 5a\r\n", FramingAmbiguous),
        ("Content-Length: 5.0\r\n", FramingAmbiguous),
        ("Content-Length: 5 5\r\n", FramingAmbiguous),
        ("Content-Length: 1_000\r\n", FramingAmbiguous),
        ("Content-Length:\r\n", FramingAmbiguous),
        ("Content-Length: \"5\"\r\n", FramingAmbiguous),
        ("Content-Length: \u{665}\r\n", FramingAmbiguous),
        ("Content-Length: 18446744073709551621\r\n", FramingAmbiguous),
        ("Content-Length: 00000000000000000005\r\n", FramingAmbiguous),
        ("Transfer-Encoding: gzip, chunked\r\n", TransferCodingUnsupported),
        ("Transfer-Encoding: chunked, gzip\r\n", TransferCodingUnsupported),
        ("Transfer-Encoding: chunked, chunked\r\n", TransferCodingUnsupported),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", TransferCodingUnsupported),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", TransferCodingUnsupported),
        ("Transfer-Encoding: identity\r\n", TransferCodingUnsupported),
        ("Transfer-Encoding: xchunked\r\n", TransferCodingUnsupported),
        ("Transfer-Encoding: chunked;q=1\r\n", TransferCodingUnsupported),
        ("Transfer-Encoding: \"chunked\"\r\n", TransferCodingUnsupported),
        ("Transfer-Encoding: ,chunked\r\n", TransferCodingUnsupported),
        ("Transfer-Encoding: chunked,\r\n", TransferCodingUnsupported),
        ("Transfer-Encoding:\r\n", TransferCodingUnsupported),
        ("Transfer-Encoding: \u{a0}chunked\r\n", TransferCodingUnsupported),
        ("Transfer-Encoding: \u{b}chunked\r\n", BadRequest),
        ("Transfer-Encoding\r\n : chunked\r\n", BadRequest),
    ]);
    check(&[
        ("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", FramingAmbiguous),
        ("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n", FramingAmbiguous),
        (
            "POST / HTTP/1.0\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            FramingAmbiguous,
        ),
    ]);
}

#[test]
fn field_lines() {
    use Code::BadRequest;
    check_lines(&[
        ("Transfer-Encoding : chunked\r\n", BadRequest),
        ("Content-Length\t: 5\r\n", BadRequest),
        (" Content-Length: 5\r\n", BadRequest),
        ("X-Folded: a\r\n b\r\n", BadRequest),
        ("X-Folded: a\r\n\tb\r\n", BadRequest),
        ("X-Folded:\r\n Transfer-Encoding: chunked\r\n", BadRequest),
        (": no name\r\n", BadRequest),
        ("no colon\r\n", BadRequest),
        ("nocolon\r\n", BadRequest),
        ("X(Y): 1\r\n", BadRequest),
        ("X\"Y: 1\r\n", BadRequest),
        ("X\0Y: 1\r\n", BadRequest),
        ("X\u{fc}: 1\r\n", BadRequest),
        ("X: a\0b\r\n", BadRequest),
        ("X: a\u{7f}b\r\n", BadRequest),
        ("X: a\u{1b}b\r\n", BadRequest),
        ("X: a\rContent-Length: 5\r\n", BadRequest),
        ("X: a\r\rY: b\r\n", BadRequest),
        ("X: a\nContent-Length: 5\r\n", BadRequest),
        ("X: a\n\r\n", BadRequest),
        ("X: a\r\n\n", BadRequest),
        ("\n", BadRequest),
    ]);
}

#[test]
fn every_byte_is_judged_in_names_and_values() {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    for byte in 0..=u8::MAX {
        let in_name = [b"GET / HTTP/1.1\r\nHost: a\r\nX", &[byte][..], b"Y: 1\r\n\r\n"].concat();
        // A colon ends the name early.
        assert_eq!(verdict(&in_name).is_ok(), is_token(byte) || byte == b':', "{byte:#04x} in a name");
        let in_value = [b"GET / HTTP/1.1\r\nHost: a\r\nX: a", &[byte][..], b"b\r\n\r\n"].concat();
        let is_value = byte == b'\t' || (byte >= b' ' && byte != 0x7f);
        assert_eq!(verdict(&in_value).is_ok(), is_value, "{byte:#04x} in a value");
    }
}

#[test]
fn expectations_and_upgrades() {
    use Code::{ExpectationFailed, UpgradeUnsupported};
    check_lines(&[
        ("Expect: 200-ok\r\n", ExpectationFailed),
        ("Expect: 100-continue, 200-ok\r\n", ExpectationFailed),
        ("Expect: 100-continue\r\nExpect: other\r\n", ExpectationFailed),
        ("Expect:\r\n", ExpectationFailed),
    ]);
    let opening = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n";
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let version = "Sec-WebSocket-Version: 13\r\n";
    assert!(read(&format!("{opening}{key}{version}\r\n")).is_websocket);
    let bad = [
        "".to_owned(),
        key.to_owned(),
        version.to_owned(),
        format!("{key}{key}{version}"),
        format!("{key}{version}{version}"),
        format!("{key}Sec-WebSocket-Version: 8\r\n"),
        format!("{key}Sec-WebSocket-Version: 13, 8\r\n"),
        format!("Sec-WebSocket-Key: short\r\n{version}"),
        format!("{key}{version}Content-Length: 5\r\n"),
        format!("{key}{version}Transfer-Encoding: chunked\r\n"),
    ];
    for lines in bad {
        let text = format!("{opening}{lines}\r\n");
        assert_eq!(verdict(text.as_bytes()), Err(UpgradeUnsupported), "{text:?}");
    }
}

#[test]
fn other_upgrades_are_plain_requests() {
    let cases = [
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    ];
    for text in cases {
        assert!(!read(text).is_websocket, "{text:?}");
    }
}

#[test]
fn sizes() {
    let limits = Limits { max_head_bytes: 16 * 1024, max_headers: 3 };
    let verdict = |text: &str| parse_request(text.as_bytes(), &limits, &mut RequestHead::default());
    let target = |length: usize| format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(length - 1));
    assert!(verdict(&target(8 * 1024)).is_ok());
    assert_eq!(verdict(&target(8 * 1024 + 1)), Err(Code::UriTooLong));
    assert_eq!(verdict(&"G".repeat(16 * 1024)), Err(Code::UriTooLong));
    assert_eq!(verdict(&target(20 * 1024)), Err(Code::UriTooLong));
    let fields = |count: usize| format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: 1\r\n".repeat(count));
    assert!(verdict(&fields(2)).is_ok());
    assert_eq!(verdict(&fields(3)), Err(Code::HeadTooLarge));
    let value = |length: usize| format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "a".repeat(length));
    let rest = value(0).len();
    assert!(verdict(&value(16 * 1024 - rest)).is_ok());
    assert_eq!(verdict(&value(16 * 1024 - rest + 1)), Err(Code::HeadTooLarge));
    let endless = value(20 * 1024);
    assert_eq!(verdict(&endless[..16 * 1024 - 1]), Ok(None));
    assert_eq!(verdict(&endless[..16 * 1024]), Err(Code::HeadTooLarge));
}

#[test]
fn honest_requests() {
    let head =
        read("GET /a/../b?c=%20&d=\u{e4} HTTP/1.1\r\nHost: WWW.Example.com.:8080\r\nX:y\r\nEmpty:\r\n\r\n");
    assert_eq!(head.target(), "/a/../b?c=%20&d=\u{e4}".as_bytes());
    assert_eq!((head.authority(), head.host()), (&b"WWW.Example.com.:8080"[..], &b"www.example.com"[..]));
    let fields: Vec<_> = head.fields.iter().map(|(_, name, value)| (name, value)).collect();
    assert_eq!(fields[1..], [(&b"X"[..], &b"y"[..]), (b"Empty", b"")]);
    assert_eq!(read("\r\nM-SEARCH / HTTP/1.1\r\nHost: a\r\n\r\n").method_bytes(), b"M-SEARCH");
    assert_eq!(read("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").target(), b"*");
    assert_eq!(read("GET / HTTP/1.0\r\nHost: [2001:DB8::1]\r\n\r\n").host(), b"2001:db8::1");
}

#[test]
fn absolute_targets_become_origin_form() {
    let cases = [
        ("GET http://Example.com/a?b HTTP/1.1", "/a?b"),
        ("GET HTTPS://example.com HTTP/1.1", "/"),
        ("GET http://example.com?b HTTP/1.1", "/?b"),
        ("OPTIONS http://example.com HTTP/1.1", "*"),
        ("OPTIONS http://example.com/ HTTP/1.1", "/"),
    ];
    for (line, target) in cases {
        let head = read(&format!("{line}\r\nHost: example.com\r\n\r\n"));
        assert_eq!((head.target(), head.host()), (target.as_bytes(), &b"example.com"[..]), "{line}");
    }
}

#[test]
fn framing_and_persistence_of_honest_requests() {
    let cases = [
        ("GET / HTTP/1.1", "", Framing::None, true),
        ("GET / HTTP/1.1", "Connection: close\r\n", Framing::None, false),
        ("GET / HTTP/1.1", "Connection: x, Close\r\n", Framing::None, false),
        ("GET / HTTP/1.1", "Connection: keep-alive\r\nConnection: close\r\n", Framing::None, false),
        ("GET / HTTP/1.0", "", Framing::None, false),
        ("GET / HTTP/1.0", "Connection: Keep-Alive\r\n", Framing::None, true),
        ("POST / HTTP/1.1", "Content-Length: 0\r\n", Framing::None, true),
        ("POST / HTTP/1.1", "Content-Length:\t 0017 \r\n", Framing::Length(17), true),
        ("POST / HTTP/1.0", "content-length: 5\r\n", Framing::Length(5), false),
        ("POST / HTTP/1.1", "transfer-encoding: Chunked\r\n", Framing::Chunked, true),
        ("GET / HTTP/1.1", "Transfer-Encoding: chunked\r\n", Framing::Chunked, true),
    ];
    for (line, fields, framing, keep_alive) in cases {
        let head = read(&format!("{line}\r\nHost: a\r\n{fields}\r\n"));
        assert_eq!((head.framing, head.keep_alive), (framing, keep_alive), "{line} {fields}");
    }
}

#[test]
fn expecting_to_continue_needs_a_body_and_http11() {
    let read = |line: &str, fields: &str| {
        read(&format!("{line}\r\nHost: a\r\nExpect: 100-Continue\r\n{fields}\r\n"))
    };
    assert!(read("POST / HTTP/1.1", "Content-Length: 1\r\n").expects_continue);
    assert!(!read("POST / HTTP/1.1", "").expects_continue);
    let old = read("POST / HTTP/1.0", "Content-Length: 1\r\n");
    assert!(!old.expects_continue && old.version == Version::Http10);
}
