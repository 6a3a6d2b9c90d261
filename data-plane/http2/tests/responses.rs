//! What HTTP/2 origins may answer, and what HTTP/2 clients get.

use egressway_core::{Code, FieldName, Framing, ResponseHead, Version};
use egressway_http1::{Asked, Limits, parse_response};
use egressway_http2::{response_from_h2, response_to_h2};
use http::Response;

fn read(status: u16, fields: &[(&str, &str)], is_head: bool, is_ended: bool) -> Result<ResponseHead, Code> {
    let mut response = Response::builder().status(status);
    for (name, value) in fields {
        response = response.header(*name, *value);
    }
    let (parts, ()) = response.body(()).expect("a response").into_parts();
    let mut head = ResponseHead::default();
    response_from_h2(&parts, is_head, is_ended, &mut head).map(|()| head)
}

fn read_http1(text: &str, asked: Asked) -> ResponseHead {
    let limits = Limits { max_head_bytes: 32 * 1024, max_headers: 100 };
    let mut head = ResponseHead::default();
    parse_response(text.as_bytes(), &limits, asked, &mut head).expect("valid").expect("whole");
    head
}

const PLAIN: Asked = Asked { head_request: false, upgrade: false };

#[test]
fn framing_follows_status_length_and_end() {
    let length: &[(&str, &str)] = &[("content-length", "5")];
    let cases = [
        (200, length, false, false, Framing::Length(5)),
        (200, &[], false, false, Framing::Chunked),
        (200, &[("content-length", "0")], false, false, Framing::Chunked),
        (200, &[], false, true, Framing::None),
        (200, length, true, true, Framing::None),
        (204, &[], false, true, Framing::None),
        (304, length, false, true, Framing::None),
        (103, &[], false, true, Framing::None),
    ];
    for (status, fields, is_head, is_ended, framing) in cases {
        let head = read(status, fields, is_head, is_ended).expect("valid");
        assert_eq!(head.framing, framing, "{status} {fields:?} {is_head} {is_ended}");
        assert_eq!((head.status, head.version, head.keep_alive), (status, Version::Http2, true));
    }
}

#[test]
fn an_empty_body_is_told_to_http1_clients() {
    let head = read(200, &[], false, true).expect("valid");
    assert_eq!(head.fields.get(FieldName::ContentLength), Some(&b"0"[..]));
    let head = read(200, &[], true, true).expect("valid");
    assert!(!head.fields.has(FieldName::ContentLength));
}

#[test]
fn bad_responses_are_the_origins_fault() {
    type Answer<'a> = (u16, &'a [(&'a str, &'a str)], bool);
    let cases: [Answer<'_>; 6] = [
        (101, &[], false),
        (600, &[], false),
        (200, &[("content-length", "5")], true),
        (200, &[("content-length", "+5")], false),
        (200, &[("content-length", "5"), ("content-length", "5")], false),
        (204, &[("content-length", "5, 5")], true),
    ];
    for (status, fields, is_ended) in cases {
        assert_eq!(
            read(status, fields, false, is_ended).err(),
            Some(Code::OriginProtocol),
            "{status} {fields:?}"
        );
    }
}

#[test]
fn an_origin_cannot_speak_for_the_proxy() {
    let head =
        read(200, &[("egressway-error", "forged"), ("x-request-id", "theirs")], false, true).expect("valid");
    let response = response_to_h2(&head, b"ours").expect("sent");
    assert!(!response.headers().contains_key("egressway-error"));
    assert_eq!(response.headers()["x-request-id"], "ours");
    assert_eq!(response.headers().get_all("x-request-id").iter().count(), 1);
}

#[test]
fn an_http1_response_loses_what_belongs_to_its_connection() {
    let text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\nConnection: keep-alive, X-Hop\r\n\
        Keep-Alive: timeout=5\r\nX-Hop: 1\r\nUpgrade: h2c\r\nX-Kept: 1\r\nX-Kept: 2\r\n\r\n";
    let response = response_to_h2(&read_http1(text, PLAIN), b"").expect("sent");
    let mut lines: Vec<_> =
        response.headers().iter().map(|(n, v)| format!("{n}: {}", v.to_str().expect("text"))).collect();
    lines.sort();
    assert_eq!(lines, ["trailer: X-Sum", "x-kept: 1", "x-kept: 2"]);
}

#[test]
fn lengths_survive_where_they_mean_something() {
    let head_request = Asked { head_request: true, upgrade: false };
    let cases = [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", PLAIN, Some("5")),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", PLAIN, Some("0")),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", head_request, Some("5")),
        ("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", PLAIN, Some("5")),
        ("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", PLAIN, None),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", PLAIN, None),
        ("HTTP/1.1 200 OK\r\n\r\n", PLAIN, None),
    ];
    for (text, asked, length) in cases {
        let response = response_to_h2(&read_http1(text, asked), b"").expect("sent");
        let told = response.headers().get("content-length").map(|value| value.to_str().expect("text"));
        assert_eq!(told, length, "{text}");
    }
}

#[test]
fn the_101_of_a_websocket_becomes_a_200_with_its_subprotocol() {
    let text = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\r\n";
    let head = read_http1(text, Asked { head_request: false, upgrade: true });
    let response = response_to_h2(&head, b"id-1").expect("sent");
    assert_eq!(response.status(), 200);
    let names: Vec<_> = response.headers().keys().map(http::HeaderName::as_str).collect();
    assert_eq!(names, ["sec-websocket-protocol", "x-request-id"]);
}

#[test]
fn interim_responses_pass_without_a_length() {
    let response = response_to_h2(&read_http1("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", PLAIN), b"")
        .expect("sent");
    assert_eq!((response.status().as_u16(), response.headers().len()), (103, 1));
}
