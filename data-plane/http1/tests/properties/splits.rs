//! How bytes arrive changes nothing, and no bytes bring the codec down.

use crate::messages;
use egressway_core::{Code, Framing, RequestHead, ResponseHead};
use egressway_http1::{Asked, BodyReader, Limits, Piece, Role, parse_request, parse_response};
use proptest::prelude::*;

const LIMITS: Limits = Limits { max_head_bytes: 512, max_headers: 12 };

/// Bytes behind a head: a body of either kind, and more.
fn rest() -> impl Strategy<Value = String> {
    (prop_oneof![messages::chunked_body(), "[a-z]{0,60}"], "[a-z]{0,10}")
        .prop_map(|(body, more)| body + &more)
}

fn as_text(head: &RequestHead) -> String {
    let fields: Vec<_> = head.fields.iter().map(|(id, n, v)| (id, n.to_vec(), v.to_vec())).collect();
    let flags = (head.keep_alive, head.expects_continue, head.is_websocket, head.accepts_trailers);
    let line = (head.method_bytes(), head.target(), head.authority(), head.host());
    format!("{line:?} {:?} {:?} {flags:?} {fields:?}", head.version, head.framing)
}

fn response_as_text(head: &ResponseHead) -> String {
    let fields: Vec<_> = head.fields.iter().map(|(id, n, v)| (id, n.to_vec(), v.to_vec())).collect();
    format!("{} {:?} {:?} {} {fields:?}", head.status, head.version, head.framing, head.keep_alive)
}

/// A parser's answer once it has one, given ever more of `text`.
fn first_answer<T>(
    text: &[u8],
    step: usize,
    mut parse: impl FnMut(&[u8]) -> Result<Option<T>, Code>,
) -> Result<Option<T>, Code> {
    for end in (0..text.len()).step_by(step) {
        match parse(&text[..end]) {
            Ok(None) => {}
            answer => return answer,
        }
    }
    parse(text)
}

/// Data, trailers and length of a body offered in pieces; an error with the code.
fn read_body(
    reader: &mut BodyReader,
    text: &[u8],
    step: usize,
    is_passed: bool,
) -> Result<(Vec<u8>, usize), Code> {
    let (mut at, mut data) = (0, Vec::new());
    while at < text.len() && !reader.is_done() {
        let offered = &text[at..text.len().min(at + step)];
        at += if is_passed {
            reader.pass(offered)?
        } else {
            match reader.next(offered)? {
                Piece::Data { consumed, data: range } => {
                    data.extend_from_slice(&offered[range]);
                    consumed
                }
                Piece::More { consumed } | Piece::End { consumed } => consumed,
            }
        };
    }
    Ok((data, at))
}

fn trailers(reader: &BodyReader) -> Vec<(Vec<u8>, Vec<u8>)> {
    reader.trailers().iter().map(|(_, name, value)| (name.to_vec(), value.to_vec())).collect()
}

proptest! {
    #[test]
    fn requests(text in messages::request_head(), rest in rest(), step in 1_usize..80) {
        let whole = [text.as_bytes(), rest.as_bytes()].concat();
        let (mut at_once, mut in_pieces) = (RequestHead::default(), RequestHead::default());
        let expected = parse_request(&whole, &LIMITS, &mut at_once);
        let found = first_answer(&whole, step, |buf| parse_request(buf, &LIMITS, &mut in_pieces));
        prop_assert_eq!(found, expected);
        prop_assert_eq!(as_text(&in_pieces), as_text(&at_once));
    }

    #[test]
    fn responses(text in messages::response_head(), rest in rest(), step in 1_usize..80, head_request: bool) {
        let asked = Asked { head_request, upgrade: false };
        let whole = [text.as_bytes(), rest.as_bytes()].concat();
        let (mut at_once, mut in_pieces) = (ResponseHead::default(), ResponseHead::default());
        let expected = parse_response(&whole, &LIMITS, asked, &mut at_once);
        let found = first_answer(&whole, step, |buf| parse_response(buf, &LIMITS, asked, &mut in_pieces));
        prop_assert_eq!(found, expected);
        if expected.is_ok() {
            prop_assert_eq!(response_as_text(&in_pieces), response_as_text(&at_once));
        }
    }

    #[test]
    fn heads_beyond_the_limit(length in 400_usize..700, lines in 0_usize..3, step in 1_usize..80) {
        let text = format!("GET /{} HTTP/1.1\r\n{}", "a".repeat(length / (lines + 1)), "X: y\r\n".repeat(lines * 40));
        let expected = parse_request(text.as_bytes(), &LIMITS, &mut RequestHead::default());
        let found = first_answer(text.as_bytes(), step, |buf| parse_request(buf, &LIMITS, &mut RequestHead::default()));
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn chunked_bodies(body in messages::chunked_body(), more in "[a-z]{0,10}", step in 1_usize..40) {
        let text = [body.as_bytes(), more.as_bytes()].concat();
        let new = || BodyReader::new(Framing::Chunked, Role::Request);
        let (mut whole, mut pieces, mut passed) = (new(), new(), new());
        let expected = read_body(&mut whole, &text, usize::MAX / 2, false);
        prop_assert_eq!(&read_body(&mut pieces, &text, step, false), &expected);
        prop_assert_eq!(read_body(&mut passed, &text, step, true).map(|(_, length)| length), expected.as_ref().map(|(_, length)| *length).map_err(|code| *code));
        prop_assert_eq!((whole.is_done(), trailers(&whole)), (pieces.is_done(), trailers(&pieces)));
        prop_assert_eq!((whole.is_done(), trailers(&whole)), (passed.is_done(), trailers(&passed)));
        if let Ok((_, length)) = expected {
            prop_assert!(whole.is_done());
            prop_assert_eq!(length, body.len());
        }
    }

    #[test]
    fn fixed_lengths(length in 0_u64..50, text in prop::collection::vec(any::<u8>(), 0..100), step in 1_usize..40) {
        let mut reader = BodyReader::new(Framing::Length(length), Role::Response);
        let (data, at) = read_body(&mut reader, &text, step, false).expect("lengths cannot be violated");
        let expected = text.len().min(length as usize);
        prop_assert_eq!((data.as_slice(), at), (&text[..expected], expected));
        prop_assert_eq!(reader.is_done(), text.len() as u64 >= length);
    }

    #[test]
    fn random_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300), cut in 0_usize..40, step in 1_usize..40) {
        let asked = Asked { head_request: false, upgrade: true };
        let begun = "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n";
        let mutated = [&begun.as_bytes()[..cut.min(begun.len())], &bytes].concat();
        for text in [&bytes, &mutated] {
            if let Ok(Some(length)) = parse_request(text, &LIMITS, &mut RequestHead::default()) {
                prop_assert!(length <= text.len());
            }
            if let Ok(Some(length)) = parse_response(text, &LIMITS, asked, &mut ResponseHead::default()) {
                prop_assert!(length <= text.len());
            }
        }
        for is_passed in [false, true] {
            let mut reader = BodyReader::new(Framing::Chunked, Role::Response);
            if let Ok((_, length)) = read_body(&mut reader, &bytes, step, is_passed) {
                prop_assert!(length <= bytes.len());
            }
        }
    }

    /// One byte of a good head replaced, inserted or removed.
    #[test]
    fn damaged_requests_are_survived_however_they_arrive(text in messages::request_head(), at: prop::sample::Index, byte: u8, how in 0..3) {
        let mut text = text.into_bytes();
        let at = at.index(text.len());
        match how {
            0 => text[at] = byte,
            1 => text.insert(at, byte),
            _ => { text.remove(at); }
        }
        let expected = parse_request(&text, &LIMITS, &mut RequestHead::default());
        let found = first_answer(&text, 1, |buf| parse_request(buf, &LIMITS, &mut RequestHead::default()));
        prop_assert_eq!(found, expected);
    }
}
