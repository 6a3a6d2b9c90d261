//! What an origin may answer: anything else is a 502 and the end of its connection.

use egressway_core::{Code, FieldName, Framing, ResponseHead, Version};
use egressway_http1::{Asked, Limits, parse_response};

const LIMITS: Limits = Limits { max_head_bytes: 16 * 1024, max_headers: 20 };
const PLAIN: Asked = Asked { head_request: false, upgrade: false };
const HEAD: Asked = Asked { head_request: true, upgrade: false };
const UPGRADE: Asked = Asked { head_request: false, upgrade: true };

fn verdict(text: &str, asked: Asked) -> Result<Option<usize>, Code> {
    parse_response(text.as_bytes(), &LIMITS, asked, &mut ResponseHead::default())
}

fn read(text: &str, asked: Asked) -> ResponseHead {
    let mut head = ResponseHead::default();
    assert_eq!(parse_response(text.as_bytes(), &LIMITS, asked, &mut head), Ok(Some(text.len())), "{text:?}");
    head
}

#[test]
fn violations() {
    let cases = [
        "\r\nHTTP/1.1 200 OK\r\n\r\n",
        "http/1.1 200 OK\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/0.9 200 OK\r\n\r\n",
        "HTTP/1.2 200 OK\r\n\r\n",
        "HTTP/1.10 200 OK\r\n\r\n",
        "HTTP/1.1  200 OK\r\n\r\n",
        "HTTP/1.1\t200 OK\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 +20 OK\r\n\r\n",
        "HTTP/1.1 200OK\r\n\r\n",
        "HTTP/1.1 099 Low\r\n\r\n",
        "HTTP/1.1 000 None\r\n\r\n",
        "HTTP/1.1 600 High\r\n\r\n",
        "HTTP/1.1 999 High\r\n\r\n",
        "HTTP/1.1 200 O\0K\r\n\r\n",
        "HTTP/1.1 200 O\rK\r\n\r\n",
        "HTTP/1.1 200 OK\n\r\n",
        "HTTP/1.1 200 OK\r\n\n",
        "HTTP/1.1 200 OK\r\nA: 1\n\r\n",
        "HTTP/1.1 200 OK\r\nA : 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\n A: 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: 1\r\n b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: 1\rB: 2\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: \0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\n: 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        "HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nTransfer-Encoding: chunked\r\n\r\n",
        "<html>",
        "SSH-2.0-x\r\n",
    ];
    for text in cases {
        assert_eq!(verdict(text, PLAIN), Err(Code::OriginProtocol), "{text:?}");
    }
    let ambiguous = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(verdict(ambiguous, HEAD), Err(Code::OriginProtocol));
    assert_eq!(verdict("HTTP/1.0 101 Switching Protocols\r\n\r\n", UPGRADE), Err(Code::OriginProtocol));
}

#[test]
fn sizes() {
    let fields = |count: usize| format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: 1\r\n".repeat(count));
    assert!(verdict(&fields(20), PLAIN).is_ok());
    assert_eq!(verdict(&fields(21), PLAIN), Err(Code::OriginProtocol));
    let endless = format!("HTTP/1.1 200 OK\r\nA: {}", "a".repeat(16 * 1024));
    assert_eq!(verdict(&endless[..16 * 1024 - 1], PLAIN), Ok(None));
    assert_eq!(verdict(&endless[..16 * 1024], PLAIN), Err(Code::OriginProtocol));
}

#[test]
fn framing_and_persistence() {
    let cases = [
        ("HTTP/1.1 200 OK", "Content-Length: 5", PLAIN, Framing::Length(5), true),
        ("HTTP/1.1 200 OK", "Content-Length: 0", PLAIN, Framing::None, true),
        ("HTTP/1.1 200 OK", "transfer-encoding: CHUNKED", PLAIN, Framing::Chunked, true),
        ("HTTP/1.1 200 OK", "Connection: keep-alive", PLAIN, Framing::UntilClose, false),
        ("HTTP/1.0 200 OK", "A: 1", PLAIN, Framing::UntilClose, false),
        ("HTTP/1.0 200 OK", "Content-Length: 5", PLAIN, Framing::Length(5), false),
        ("HTTP/1.0 200 OK", "Content-Length: 5\r\nConnection: keep-alive", PLAIN, Framing::Length(5), true),
        ("HTTP/1.1 200 OK", "Content-Length: 5\r\nConnection: Close", PLAIN, Framing::Length(5), false),
        ("HTTP/1.1 200 OK", "Content-Length: 5", HEAD, Framing::None, true),
        ("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", HEAD, Framing::None, true),
        ("HTTP/1.1 200 OK", "A: 1", HEAD, Framing::None, true),
        ("HTTP/1.1 304 Not Modified", "Content-Length: 5", PLAIN, Framing::None, true),
        ("HTTP/1.1 204 No Content", "A: 1", PLAIN, Framing::None, true),
        ("HTTP/1.1 204 No Content", "Content-Length: 0", PLAIN, Framing::None, true),
        ("HTTP/1.1 204 No Content", "Content-Length: 5", PLAIN, Framing::None, false),
        ("HTTP/1.1 204 No Content", "Transfer-Encoding: chunked", PLAIN, Framing::None, false),
        ("HTTP/1.1 100 Continue", "A: 1", PLAIN, Framing::None, true),
        ("HTTP/1.1 103 Early Hints", "Link: </a>", PLAIN, Framing::None, true),
        ("HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", UPGRADE, Framing::None, true),
        ("HTTP/1.1 200 OK", "Content-Length: 5", UPGRADE, Framing::Length(5), true),
        ("HTTP/1.1 200", "Content-Length: 5", PLAIN, Framing::Length(5), true),
        ("HTTP/1.1 200 ", "Content-Length: 5", PLAIN, Framing::Length(5), true),
        ("HTTP/1.1 200 \u{e4}\t!", "Content-Length: 5", PLAIN, Framing::Length(5), true),
        ("HTTP/1.1 599 Odd", "Content-Length: 5", PLAIN, Framing::Length(5), true),
    ];
    for (line, field, asked, framing, keep_alive) in cases {
        let head = read(&format!("{line}\r\n{field}\r\n\r\n"), asked);
        assert_eq!((head.framing, head.keep_alive), (framing, keep_alive), "{line} {field} {asked:?}");
    }
}

#[test]
fn an_origin_cannot_speak_for_the_proxy() {
    let head = read("HTTP/1.1 200 OK\r\nEgressway-Error: forged\r\nContent-Length: 0\r\n\r\n", PLAIN);
    assert!(!head.fields.has(FieldName::Internal));
    assert_eq!((head.fields.len(), head.version, head.status), (1, Version::Http11, 200));
}

#[test]
fn interim_responses_come_one_by_one() {
    let text =
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n\r\n";
    let (mut at, mut seen) = (0, Vec::new());
    let mut head = ResponseHead::default();
    while at < text.len() {
        at +=
            parse_response(&text.as_bytes()[at..], &LIMITS, PLAIN, &mut head).expect("valid").expect("whole");
        seen.push((head.status, head.is_interim()));
    }
    assert_eq!(seen, [(100, true), (103, true), (200, false)]);
}
