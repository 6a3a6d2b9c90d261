//! Request heads: exactly what RFC 9112 allows a client to send to a server that routes by host.

use crate::syntax::{
    Announced, announced_framing, host_range, is_crlf_only, is_token_byte, keeps_connection, list_has,
    range_in, take_fields,
};
use crate::websocket::is_websocket_key;
use crate::{Limits, MOST_HEADERS};
use egressway_core::{Code, FieldName, Framing, Method, RequestHead, Version};
use std::mem::MaybeUninit;

/// Bytes of a request target, at most.
const MOST_TARGET: usize = 8 * 1024;

/// Reads one head. `Ok(None)`: more bytes are needed. `Ok(Some(n))`: `head` is filled and `n` bytes are consumed.
///
/// What is answered does not depend on how the bytes arrived: `buf` is judged up to the end of its head or up to
/// the limit, never beyond. `host`, `authority` and framing of a filled head are valid; the target is in
/// origin-form or `*`.
///
/// # Errors
/// The code to answer with before closing; `head` then holds what was understood. Rules: RFC 9112 sections 2, 3,
/// 5, 6 and 9; `data-plane.md` section 8.
pub fn parse_request(buf: &[u8], limits: &Limits, head: &mut RequestHead) -> Result<Option<usize>, Code> {
    head.clear();
    // One empty line before the request line is tolerated (RFC 9112 section 2.2).
    let skipped = if buf.starts_with(b"\r\n") { 2 } else { 0 };
    let buf = &buf[skipped..];
    check_first_bytes(buf)?;
    let window = &buf[..buf.len().min(limits.max_head_bytes)];
    let Some(end) = read_head(window, limits, head)? else {
        return if window.len() < limits.max_head_bytes { Ok(None) } else { Err(too_large(window)) };
    };
    take_target_form(head)?;
    take_framing(head)?;
    take_connection(head)?;
    Ok(Some(skipped + end))
}

/// A head never begins with anything but a method token; a TLS handshake or garbage is refused at once.
fn check_first_bytes(buf: &[u8]) -> Result<(), Code> {
    let word = &buf[..buf.len().min(32)];
    let token = memchr::memchr(b' ', word).map_or(word, |at| &word[..at]);
    // An empty line may still be arriving.
    let is_begun = word.is_empty() || word == b"\r";
    if is_begun || (!token.is_empty() && token.iter().copied().all(is_token_byte)) {
        Ok(())
    } else {
        Err(Code::BadRequest)
    }
}

fn too_large(window: &[u8]) -> Code {
    if memchr::memchr(b'\n', window).is_none() { Code::UriTooLong } else { Code::HeadTooLarge }
}

/// Request line and fields, the target as it came; the head's length, or `None` if its end is not there.
fn read_head(window: &[u8], limits: &Limits, head: &mut RequestHead) -> Result<Option<usize>, Code> {
    let mut headers = [const { MaybeUninit::uninit() }; MOST_HEADERS];
    let most = limits.max_headers.min(MOST_HEADERS);
    let mut parsed = httparse::Request::new(&mut []);
    let config = httparse::ParserConfig::default();
    let end = match config.parse_request_with_uninit_headers(&mut parsed, window, &mut headers[..most]) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(Code::HeadTooLarge),
        Err(httparse::Error::Version) => return version_fault(window).map_or(Ok(None), Err),
        Err(_) => return Err(Code::BadRequest),
    };
    let section = &window[..end];
    let stored = head.fields.store(section);
    head.version = if parsed.version == Some(1) { Version::Http11 } else { Version::Http10 };
    head.set_method_span(stored.part(range_in(section, parsed.method.unwrap_or_default().as_bytes())));
    head.set_target_span(stored.part(range_in(section, parsed.path.unwrap_or_default().as_bytes())));
    check_lines(section, head)?;
    take_fields(parsed.headers, section, stored, &mut head.fields);
    Ok(Some(end))
}

/// A version that is spelled right and is not ours is a different fault from no version; which it is shows when
/// the line is whole.
fn version_fault(window: &[u8]) -> Option<Code> {
    let line = &window[..memchr::memchr(b'\n', window)?];
    let mut words = line.strip_suffix(b"\r").unwrap_or_default().split(|b| *b == b' ').skip(2);
    match (words.next(), words.next()) {
        (Some([b'H', b'T', b'T', b'P', b'/', major, b'.', minor]), None)
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            Some(Code::VersionUnsupported)
        }
        _ => Some(Code::BadRequest),
    }
}

/// Line ends; exactly one space between method, target and version; no fragment; a method that is served. Methods
/// are case-sensitive and known ones are upper case (RFC 9110 section 9.1): an origin that is lenient about `get`
/// would read another request than we do.
fn check_lines(section: &[u8], head: &RequestHead) -> Result<(), Code> {
    let target = head.target();
    let line = head.method_bytes().len() + 1 + target.len() + " HTTP/1.1".len();
    let is_plain = section.get(line) == Some(&b'\r') && is_crlf_only(section);
    match head.method {
        _ if !is_plain || memchr::memchr(b'#', target).is_some() => Err(Code::BadRequest),
        Method::Other if has_lower_case(head.method_bytes()) => Err(Code::BadRequest),
        _ if target.len() > MOST_TARGET => Err(Code::UriTooLong),
        Method::Connect | Method::Trace => Err(Code::MethodNotAllowed),
        _ => Ok(()),
    }
}

fn has_lower_case(method: &[u8]) -> bool {
    method.iter().any(u8::is_ascii_lowercase)
}

/// One valid Host, and a target that agrees with it.
fn take_target_form(head: &mut RequestHead) -> Result<(), Code> {
    let mut hosts = head.fields.spans(FieldName::Host);
    let (Some(authority), None) = (hosts.next(), hosts.next()) else { return Err(Code::HostInvalid) };
    drop(hosts);
    let host = host_range(head.fields.bytes(authority)).ok_or(Code::HostInvalid)?;
    head.set_authority_span(authority, host);
    match head.target() {
        [b'/', ..] => Ok(()),
        b"*" if head.method == Method::Options => Ok(()),
        _ => make_origin_form(head),
    }
}

/// `http://authority/path` becomes `/path`. Clients that take us for a forward proxy write this; it is rare
/// enough to be allowed an allocation.
fn make_origin_form(head: &mut RequestHead) -> Result<(), Code> {
    let target = head.target().to_vec();
    let (named, path) = split_absolute(&target).ok_or(Code::BadRequest)?;
    if !named.eq_ignore_ascii_case(head.authority()) {
        return Err(Code::HostInvalid);
    }
    match path {
        // RFC 9112 section 3.2.4.
        [] if head.method == Method::Options => head.set_target(b"*"),
        [] => head.set_target(b"/"),
        [b'?', ..] => head.set_target(&[b"/", path].concat()),
        _ => head.set_target(path),
    }
    Ok(())
}

fn split_absolute(target: &[u8]) -> Option<(&[u8], &[u8])> {
    let scheme = memchr::memmem::find(target, b"://")?;
    if !target[..scheme].eq_ignore_ascii_case(b"http") && !target[..scheme].eq_ignore_ascii_case(b"https") {
        return None;
    }
    let rest = &target[scheme + 3..];
    Some(rest.split_at(memchr::memchr2(b'/', b'?', rest).unwrap_or(rest.len())))
}

fn take_framing(head: &mut RequestHead) -> Result<(), Code> {
    head.framing = match (announced_framing(&head.fields), head.version) {
        (Announced::Nothing | Announced::Length(0), _) => Framing::None,
        (Announced::Length(length), _) => Framing::Length(length),
        (Announced::Ambiguous, _) => return Err(Code::FramingAmbiguous),
        // HTTP/1.0 knows no transfer codings: whoever sent this is read differently by others.
        (Announced::Chunked | Announced::UnknownCoding, Version::Http10) => {
            return Err(Code::FramingAmbiguous);
        }
        (Announced::Chunked, _) => Framing::Chunked,
        (Announced::UnknownCoding, _) => return Err(Code::TransferCodingUnsupported),
    };
    Ok(())
}

fn take_connection(head: &mut RequestHead) -> Result<(), Code> {
    let is_http11 = head.version == Version::Http11;
    head.keep_alive = keeps_connection(&head.fields, is_http11);
    head.accepts_trailers = list_has(&head.fields, FieldName::Te, b"trailers");
    if !head.fields.get_all(FieldName::Expect).all(|value| value.eq_ignore_ascii_case(b"100-continue")) {
        return Err(Code::ExpectationFailed);
    }
    // RFC 9110 section 10.1.1: without a body or in HTTP/1.0 the expectation is ignored.
    head.expects_continue = is_http11 && head.framing != Framing::None && head.fields.has(FieldName::Expect);
    head.is_websocket = asks_for_websocket(head)?;
    Ok(())
}

/// A WebSocket opening (RFC 6455 section 4.1). Other upgrades are not ours: they are stripped and answered as plain
/// requests. One that is malformed is refused, since an origin might still take it for an opening.
fn asks_for_websocket(head: &RequestHead) -> Result<bool, Code> {
    let fields = &head.fields;
    let asks = fields.has(FieldName::Upgrade)
        && list_has(fields, FieldName::Upgrade, b"websocket")
        && list_has(fields, FieldName::Connection, b"upgrade");
    if !asks || head.version == Version::Http10 || head.method != Method::Get {
        return Ok(false);
    }
    let mut keys = fields.get_all(FieldName::SecWebSocketKey);
    let mut versions = fields.get_all(FieldName::SecWebSocketVersion);
    let is_proper = head.framing == Framing::None
        && keys.next().is_some_and(is_websocket_key)
        && keys.next().is_none()
        && versions.next() == Some(b"13")
        && versions.next().is_none();
    if is_proper { Ok(true) } else { Err(Code::UpgradeUnsupported) }
}
