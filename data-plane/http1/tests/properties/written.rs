//! What is written can be read again, means the same, and says nothing twice.

use crate::messages;
use egressway_core::{FieldName, Framing, RequestHead, ResponseHead, Version};
use egressway_http1::{
    Asked, Limits, ToClient, ToOrigin, parse_request, parse_response, write_request, write_response,
};
use proptest::prelude::*;

const LIMITS: Limits = Limits { max_head_bytes: 8 * 1024, max_headers: 100 };
const KEY: &[u8] = b"dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &[u8] = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

fn to_origin(head: &RequestHead) -> ToOrigin<'static> {
    ToOrigin {
        host: b"origin.example.com",
        forwarded_for: b"198.51.100.7",
        forwarded_proto: b"https",
        forwarded: b"for=198.51.100.7;proto=https",
        request_id: b"id-1",
        cdn_loop: b"test",
        framing: head.framing,
        websocket_key: None,
        expect_continue: head.expects_continue,
    }
}

fn to_client(framing: Framing) -> ToClient<'static> {
    ToClient {
        version: Version::Http11,
        framing,
        keep_alive: true,
        request_id: b"id-1",
        websocket_accept: None,
    }
}

fn read_request(text: &str) -> RequestHead {
    let mut head = RequestHead::default();
    assert_eq!(parse_request(text.as_bytes(), &LIMITS, &mut head), Ok(Some(text.len())), "{text:?}");
    head
}

fn read_response(text: &str, asked: Asked) -> ResponseHead {
    let mut head = ResponseHead::default();
    assert_eq!(parse_response(text.as_bytes(), &LIMITS, asked, &mut head), Ok(Some(text.len())), "{text:?}");
    head
}

fn request_text(head: &RequestHead, to: &ToOrigin<'_>) -> String {
    let mut out = Vec::new();
    write_request(&mut out, head, to);
    String::from_utf8(out).expect("text")
}

fn response_text(head: &ResponseHead, to: &ToClient<'_>) -> String {
    let mut out = Vec::new();
    write_response(&mut out, head, to);
    String::from_utf8(out).expect("text")
}

/// How many field lines have this name.
fn count(text: &str, name: &str) -> usize {
    let lines = text.split("\r\n").skip(1);
    lines.filter(|line| line.split(':').next().is_some_and(|n| n.eq_ignore_ascii_case(name))).count()
}

/// Fields that pass untouched, whatever stands around them.
fn plain(fields: &egressway_core::Fields) -> Vec<(Vec<u8>, Vec<u8>)> {
    let is_plain = |id, name: &[u8]| {
        id == FieldName::Other && !name.contains(&b'_') && !name.eq_ignore_ascii_case(b"x-hop")
    };
    fields.iter().filter(|(id, n, _)| is_plain(*id, n)).map(|(_, n, v)| (n.to_vec(), v.to_vec())).collect()
}

proptest! {
    #[test]
    fn requests(text in messages::request_head()) {
        let mut head = RequestHead::default();
        let Ok(Some(_)) = parse_request(text.as_bytes(), &LIMITS, &mut head) else { return Ok(()) };
        let written = request_text(&head, &to_origin(&head));
        let again = read_request(&written);
        prop_assert_eq!((again.method_bytes(), again.target()), (head.method_bytes(), head.target()));
        prop_assert_eq!((again.framing, again.version, again.keep_alive), (head.framing, Version::Http11, true));
        prop_assert_eq!((again.expects_continue, again.accepts_trailers), (head.expects_continue, head.accepts_trailers));
        prop_assert_eq!(plain(&again.fields), plain(&head.fields));
        prop_assert_eq!(count(&written, "host"), 1);
        prop_assert!(count(&written, "content-length") + count(&written, "transfer-encoding") <= 1, "{}", written);
        for name in ["x-forwarded-for", "x-forwarded-proto", "forwarded", "x-request-id"] {
            prop_assert_eq!(count(&written, name), 1, "{}: {}", name, written);
        }
        for name in ["x-hop", "keep-alive", "proxy-connection", "upgrade", "egressway-zone", "x_forwarded_for"] {
            let may_stay = name == "x-hop" && !text.contains("X-Hop, TE");
            prop_assert!(may_stay || count(&written, name) == 0, "{}: {}", name, written);
        }
        let cookies: Vec<_> = head.fields.get_all(FieldName::Cookie).collect();
        let joined = again.fields.get_all(FieldName::Cookie).collect::<Vec<_>>().concat();
        prop_assert_eq!(joined, cookies.join(&b"; "[..]));
        prop_assert_eq!(count(&written, "cookie"), usize::from(!cookies.is_empty()));
    }

    #[test]
    fn responses(text in messages::response_head(), head_request: bool, keep_alive: bool) {
        let asked = Asked { head_request, upgrade: false };
        let mut head = ResponseHead::default();
        let Ok(Some(_)) = parse_response(text.as_bytes(), &LIMITS, asked, &mut head) else { return Ok(()) };
        let keep_alive = keep_alive && head.framing != Framing::UntilClose;
        let written = response_text(&head, &ToClient { keep_alive, ..to_client(head.framing) });
        let again = read_response(&written, asked);
        prop_assert_eq!((again.status, again.framing), (head.status, head.framing));
        // Where no length is told the head alone cannot say more.
        prop_assert_eq!(again.keep_alive, keep_alive);
        prop_assert_eq!(plain(&again.fields), plain(&head.fields));
        prop_assert!(count(&written, "content-length") + count(&written, "transfer-encoding") <= 1, "{}", written);
        prop_assert_eq!(count(&written, "x-request-id"), 1);
        prop_assert_eq!(count(&written, "set-cookie"), count(&text, "set-cookie"));
    }

    /// Whatever the other side's framing is, the head that is written has exactly the one it was told.
    #[test]
    fn a_changed_framing_replaces_the_old_one(text in messages::response_head(), length in 1_u64..1_000_000) {
        let asked = Asked { head_request: false, upgrade: false };
        let mut head = ResponseHead::default();
        let Ok(Some(_)) = parse_response(text.as_bytes(), &LIMITS, asked, &mut head) else { return Ok(()) };
        if matches!(head.status, 204 | 304) {
            return Ok(());
        }
        for framing in [Framing::Length(length), Framing::Chunked] {
            let again = read_response(&response_text(&head, &to_client(framing)), asked);
            prop_assert_eq!(again.framing, framing);
        }
    }
}

#[test]
fn a_request_in_full() {
    let text = "POST /p?q HTTP/1.1\r\nhost: www.example.com\r\nUser-Agent: x\r\nCookie: a=1\r\nConnection: close, X-Hop\r\n\
        X-Hop: 1\r\nacCept: */*\r\nCookie: b=2\r\nTE: trailers\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\
        Proxy-Authorization: Basic eA==\r\nX-Real-IP: 192.0.2.66\r\n\r\n";
    let head = read_request(text);
    let expected = "POST /p?q HTTP/1.1\r\nHost: origin.example.com\r\nUser-Agent: x\r\nacCept: */*\r\nCookie: a=1; b=2\r\n\
        X-Forwarded-For: 198.51.100.7\r\nX-Forwarded-Proto: https\r\nForwarded: for=198.51.100.7;proto=https\r\n\
        X-Request-Id: id-1\r\nCDN-Loop: test\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\nConnection: TE\r\nTE: trailers\r\n\r\n";
    assert_eq!(request_text(&head, &to_origin(&head)), expected);
}

#[test]
fn methods_that_usually_have_a_body_say_when_they_have_none() {
    for (method, fields, is_told) in [
        ("POST", "", true),
        ("PUT", "", true),
        ("PATCH", "", true),
        ("GET", "", false),
        ("GET", "Content-Length: 0\r\n", true),
    ] {
        let head = read_request(&format!("{method} / HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
        let written = request_text(&head, &to_origin(&head));
        assert_eq!(written.contains("\r\nContent-Length: 0\r\n"), is_told, "{method} {fields}");
    }
}

#[test]
fn connection_cannot_take_away_what_gives_a_message_its_meaning() {
    let head = read_request(
        "POST / HTTP/1.1\r\nHost: a\r\nConnection: Host, Content-Length, Cookie, X-Forwarded-For\r\nContent-Length: 3\r\nCookie: c\r\n\r\n",
    );
    let written = request_text(&head, &to_origin(&head));
    for line in
        ["Host: origin.example.com", "Content-Length: 3", "Cookie: c", "X-Forwarded-For: 198.51.100.7"]
    {
        assert!(written.contains(&format!("\r\n{line}\r\n")), "{line}");
    }
}

#[test]
fn a_websocket_opening_is_written_anew() {
    let text = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\
        Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: chat\r\nContent-Length: 0\r\n\r\n";
    let head = read_request(text);
    assert!(head.is_websocket);
    let written = request_text(&head, &ToOrigin { websocket_key: Some(KEY), ..to_origin(&head) });
    let again = read_request(&written);
    assert!(again.is_websocket);
    assert_eq!(again.fields.get(FieldName::SecWebSocketKey), Some(KEY));
    for name in
        ["connection", "upgrade", "sec-websocket-key", "sec-websocket-version", "sec-websocket-protocol"]
    {
        assert_eq!(count(&written, name), 1, "{name}");
    }
    assert_eq!(count(&written, "content-length"), 0);
}

#[test]
fn a_websocket_answer_is_written_anew() {
    let text = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Accept: theirs\r\nSec-WebSocket-Protocol: chat\r\n\r\n";
    let head = read_response(text, Asked { head_request: false, upgrade: true });
    let written =
        response_text(&head, &ToClient { websocket_accept: Some(ACCEPT), ..to_client(Framing::None) });
    let expected = "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Protocol: chat\r\nX-Request-Id: id-1\r\n\
        Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    assert_eq!(written, expected);
}

#[test]
fn a_response_in_full() {
    let text = "HTTP/1.1 404 Nothing Here\r\nserver: x\r\nDate: today\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n\
        Set-Cookie: a\r\nX-Request-ID: theirs\r\nContent-Length: 5\r\nSet-Cookie: b\r\n\r\n";
    let head = read_response(text, Asked { head_request: false, upgrade: false });
    let expected = "HTTP/1.1 404 Not Found\r\nserver: x\r\nDate: today\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\
        X-Request-Id: id-1\r\nContent-Length: 5\r\n\r\n";
    assert_eq!(response_text(&head, &to_client(head.framing)), expected);
}

#[test]
fn persistence_is_said_in_the_clients_version() {
    let head = read_response(
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
        Asked { head_request: false, upgrade: false },
    );
    let cases = [
        (Version::Http11, true, None),
        (Version::Http11, false, Some("Connection: close\r\n")),
        (Version::Http10, true, Some("Connection: keep-alive\r\n")),
        (Version::Http10, false, Some("Connection: close\r\n")),
    ];
    for (version, keep_alive, line) in cases {
        let written = response_text(&head, &ToClient { version, keep_alive, ..to_client(head.framing) });
        assert_eq!(count(&written, "connection"), usize::from(line.is_some()), "{version:?} {keep_alive}");
        assert!(line.is_none_or(|line| written.contains(line)), "{version:?} {keep_alive}");
    }
}

#[test]
fn lengths_of_bodies_that_do_not_follow_are_told() {
    let head_request = Asked { head_request: true, upgrade: false };
    let plain = Asked { head_request: false, upgrade: false };
    let cases = [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", head_request, Some("5")),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", head_request, None),
        ("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", plain, Some("5")),
        ("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", plain, None),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", plain, Some("0")),
        ("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", plain, None),
    ];
    for (text, asked, length) in cases {
        let written = response_text(&read_response(text, asked), &to_client(Framing::None));
        let told = length.map(|length| format!("\r\nContent-Length: {length}\r\n"));
        assert_eq!(count(&written, "content-length"), usize::from(told.is_some()), "{text}");
        assert!(told.is_none_or(|line| written.contains(&line)), "{text}");
    }
}
