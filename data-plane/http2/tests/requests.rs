//! What HTTP/2 clients may send, and what HTTP/2 origins get.

use egressway_core::side::Outbound;
use egressway_core::{Code, FieldName, Framing, Method, RequestHead, Version};
use egressway_http1::{Limits, ToOrigin, parse_request, write_request};
use egressway_http2::{ToOriginH2, request_from_h2, request_to_h2};
use http::Request;

const URI: &str = "https://www.example.com/path?q=1";

struct Case {
    method: &'static str,
    uri: &'static str,
    fields: Vec<(&'static str, &'static str)>,
    protocol: Option<&'static str>,
    is_ended: bool,
}

fn get(fields: &[(&'static str, &'static str)]) -> Case {
    Case { method: "GET", uri: URI, fields: fields.to_vec(), protocol: None, is_ended: true }
}

fn post(fields: &[(&'static str, &'static str)], is_ended: bool) -> Case {
    Case { method: "POST", is_ended, ..get(fields) }
}

fn websocket(fields: &[(&'static str, &'static str)]) -> Case {
    Case { method: "CONNECT", protocol: Some("websocket"), is_ended: false, ..get(fields) }
}

fn read(case: &Case) -> Result<RequestHead, Code> {
    let mut request = Request::builder().method(case.method).uri(case.uri);
    for (name, value) in &case.fields {
        request = request.header(*name, *value);
    }
    let (parts, ()) = request.body(()).expect("a request").into_parts();
    let mut head = RequestHead::default();
    request_from_h2(&parts, case.protocol, case.is_ended, 20, &mut head).map(|()| head)
}

fn outbound() -> Outbound<'static> {
    Outbound {
        host: b"origin.example.com",
        forwarded_for: b"198.51.100.7",
        forwarded_proto: b"https",
        forwarded: b"for=198.51.100.7;proto=https",
        request_id: b"id-1",
        cdn_loop: b"test",
    }
}

fn send(head: &RequestHead) -> Result<Request<()>, Code> {
    request_to_h2(head, &ToOriginH2 { outbound: &outbound(), is_https: true })
}

/// The same request on its way to an HTTP/1 origin.
fn send_as_http1(head: &RequestHead) -> String {
    let outbound = outbound();
    let to = ToOrigin {
        host: outbound.host,
        forwarded_for: outbound.forwarded_for,
        forwarded_proto: outbound.forwarded_proto,
        forwarded: outbound.forwarded,
        request_id: outbound.request_id,
        cdn_loop: outbound.cdn_loop,
        framing: head.framing,
        websocket_key: None,
        expect_continue: head.expects_continue,
    };
    let mut out = Vec::new();
    write_request(&mut out, head, &to);
    String::from_utf8(out).expect("text")
}

#[test]
fn a_plain_request_is_understood() {
    let head = read(&get(&[("accept", "*/*"), ("host", "WWW.example.com")])).expect("valid");
    assert_eq!((head.method, head.version, head.framing), (Method::Get, Version::Http2, Framing::None));
    assert_eq!(
        (head.target(), head.authority(), head.host()),
        (&b"/path?q=1"[..], &b"www.example.com"[..], &b"www.example.com"[..])
    );
    assert!(head.keep_alive && !head.is_websocket && !head.accepts_trailers && !head.expects_continue);
}

#[test]
fn the_authority_may_be_a_host_field_alone() {
    let head = read(&Case { uri: "/path", ..get(&[("host", "WWW.Example.com:8443")]) }).expect("valid");
    assert_eq!((head.authority(), head.host()), (&b"WWW.Example.com:8443"[..], &b"www.example.com"[..]));
}

#[test]
fn framing_follows_length_and_end() {
    let cases = [
        (post(&[("content-length", "5")], false), Framing::Length(5)),
        (post(&[], false), Framing::Chunked),
        (post(&[], true), Framing::None),
        (post(&[("content-length", "0")], true), Framing::None),
        (post(&[("content-length", "0")], false), Framing::Chunked),
    ];
    for (case, framing) in cases {
        assert_eq!(read(&case).expect("valid").framing, framing, "{:?} {}", case.fields, case.is_ended);
    }
}

#[test]
fn bad_requests_are_refused_with_their_code() {
    let many: Vec<_> = (0..21).map(|_| ("x-many", "1")).collect();
    let cases = [
        (get(&[("host", "other.example.com")]), Code::HostInvalid),
        (get(&[("host", "www.example.com"), ("host", "www.example.com")]), Code::HostInvalid),
        (Case { uri: "/path", ..get(&[]) }, Code::HostInvalid),
        (Case { uri: "/path", ..get(&[("host", "a b")]) }, Code::HostInvalid),
        (Case { uri: "https://user@www.example.com/", ..get(&[]) }, Code::HostInvalid),
        (Case { uri: "https://www..example.com/", ..get(&[]) }, Code::HostInvalid),
        (Case { uri: "ftp://www.example.com/", ..get(&[]) }, Code::BadRequest),
        (Case { uri: "*", ..get(&[("host", "www.example.com")]) }, Code::BadRequest),
        (Case { method: "CONNECT", uri: "www.example.com:443", ..get(&[]) }, Code::MethodNotAllowed),
        (Case { method: "TRACE", ..get(&[]) }, Code::MethodNotAllowed),
        (Case { protocol: Some("connect-udp"), ..websocket(&[]) }, Code::UpgradeUnsupported),
        (Case { is_ended: true, ..websocket(&[]) }, Code::UpgradeUnsupported),
        (websocket(&[("sec-websocket-version", "8")]), Code::UpgradeUnsupported),
        (websocket(&[("content-length", "5")]), Code::UpgradeUnsupported),
        (get(&[("connection", "close")]), Code::BadRequest),
        (get(&[("keep-alive", "timeout=5")]), Code::BadRequest),
        (get(&[("proxy-connection", "close")]), Code::BadRequest),
        (get(&[("transfer-encoding", "chunked")]), Code::BadRequest),
        (get(&[("upgrade", "websocket")]), Code::BadRequest),
        (get(&[("http2-settings", "AAMAAABk")]), Code::BadRequest),
        (get(&[("te", "gzip")]), Code::BadRequest),
        (get(&[("te", "trailers, gzip")]), Code::BadRequest),
        (post(&[("content-length", "+5")], false), Code::FramingAmbiguous),
        (post(&[("content-length", "5,5")], false), Code::FramingAmbiguous),
        (post(&[("content-length", "")], false), Code::FramingAmbiguous),
        (post(&[("content-length", "5"), ("content-length", "5")], false), Code::FramingAmbiguous),
        (post(&[("content-length", "5")], true), Code::FramingAmbiguous),
        (post(&[("expect", "200-ok")], false), Code::ExpectationFailed),
        (get(&many), Code::HeadTooLarge),
    ];
    for (case, code) in cases {
        assert_eq!(read(&case).err(), Some(code), "{} {} {:?}", case.method, case.uri, case.fields);
    }
    let long = format!("https://www.example.com/{}", "a".repeat(8 * 1024));
    let (parts, ()) = Request::builder().uri(long).body(()).expect("a request").into_parts();
    assert_eq!(request_from_h2(&parts, None, true, 20, &mut RequestHead::default()), Err(Code::UriTooLong));
}

#[test]
fn an_extended_connect_appears_as_the_opening_it_is_in_http1() {
    let head = read(&websocket(&[("sec-websocket-version", "13"), ("sec-websocket-protocol", "chat")]))
        .expect("valid");
    assert!(head.is_websocket);
    assert_eq!(
        (head.method_bytes(), head.target(), head.framing),
        (&b"GET"[..], &b"/path?q=1"[..], Framing::None)
    );
    assert_eq!(send(&head).err(), Some(Code::Internal));
}

#[test]
fn options_may_ask_about_the_whole_server() {
    let asterisk = Case { method: "OPTIONS", uri: "*", ..get(&[("host", "www.example.com")]) };
    let head = read(&asterisk).expect("valid");
    assert_eq!(head.target(), b"*");
    assert_eq!(send(&head).expect("sent").uri().path(), "*");
    assert!(send_as_http1(&head).starts_with("OPTIONS * HTTP/1.1\r\n"));
}

#[test]
fn cookie_crumbs_are_joined_for_both_kinds_of_origin() {
    let head = read(&get(&[("cookie", "a=1"), ("accept", "*/*"), ("cookie", "b=2"), ("cookie", "c=3")]))
        .expect("valid");
    let request = send(&head).expect("sent");
    let cookies: Vec<_> = request.headers().get_all("cookie").iter().collect();
    assert_eq!(cookies, ["a=1; b=2; c=3"]);
    let text = send_as_http1(&head);
    assert_eq!(text.matches("Cookie: a=1; b=2; c=3\r\n").count(), 1);
    assert_eq!(text.to_ascii_lowercase().matches("cookie:").count(), 1);
}

#[test]
fn origins_get_what_may_pass_and_what_the_proxy_says() {
    let text = b"PUT /p HTTP/1.1\r\nHost: www.example.com\r\nContent-Length: 3\r\nConnection: keep-alive, X-Hop, TE\r\n\
        TE: trailers\r\nX-Hop: 1\r\nX-Kept: 1\r\nX-Kept: 2\r\nX-Forwarded-For: 192.0.2.66\r\nX-Forwarded-Port: 1\r\n\
        Forwarded: for=192.0.2.66\r\nX-Request-Id: forged\r\nEgressway-Zone: forged\r\nExpect: 100-continue\r\n\r\n";
    let limits = Limits { max_head_bytes: 32 * 1024, max_headers: 100 };
    let mut head = RequestHead::default();
    parse_request(text, &limits, &mut head).expect("valid").expect("whole");
    let request = send(&head).expect("sent");
    assert_eq!(request.method(), "PUT");
    assert_eq!(request.uri(), "https://origin.example.com/p");
    let mut lines: Vec<_> =
        request.headers().iter().map(|(n, v)| format!("{n}: {}", v.to_str().expect("text"))).collect();
    lines.sort();
    let expected = [
        "cdn-loop: test",
        "content-length: 3",
        "expect: 100-continue",
        "forwarded: for=198.51.100.7;proto=https",
        "te: trailers",
        "x-forwarded-for: 198.51.100.7",
        "x-forwarded-proto: https",
        "x-kept: 1",
        "x-kept: 2",
        "x-request-id: id-1",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn what_an_http2_client_sends_makes_one_valid_http1_request() {
    let case = post(
        &[
            ("content-type", "application/grpc"),
            ("te", "trailers"),
            ("trailer", "x-sum"),
            ("x-request-id", "forged"),
        ],
        false,
    );
    let head = read(&case).expect("valid");
    let text = send_as_http1(&head);
    let mut again = RequestHead::default();
    let limits = Limits { max_head_bytes: 32 * 1024, max_headers: 100 };
    assert_eq!(parse_request(text.as_bytes(), &limits, &mut again), Ok(Some(text.len())));
    assert_eq!(
        (again.method, again.target(), again.framing),
        (Method::Post, &b"/path?q=1"[..], Framing::Chunked)
    );
    assert!(again.accepts_trailers);
    assert_eq!(again.fields.get(FieldName::Trailer), Some(&b"x-sum"[..]));
    assert_eq!(again.fields.get(FieldName::XRequestId), Some(&b"id-1"[..]));
    assert_eq!(send(&head).expect("sent").headers()["trailer"], "x-sum");
}
