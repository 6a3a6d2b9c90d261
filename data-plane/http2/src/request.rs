//! Requests of HTTP/2 clients, and requests to HTTP/2 origins.

use crate::trailers::announce_trailers;
use egressway_core::hygiene::{joined_cookies, request_fields};
use egressway_core::side::Outbound;
use egressway_core::{Code, FieldName, Fields, Framing, RequestHead, Version};
use egressway_http1::{host_of_authority, host_range, parse_length};
use http::header::{CONTENT_LENGTH, COOKIE, EXPECT, FORWARDED, TE};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const CDN_LOOP: HeaderName = HeaderName::from_static("cdn-loop");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Bytes of `:path`, at most; as in HTTP/1.
const MOST_TARGET: usize = 8 * 1024;

/// Fills `head` from a request of a client. `protocol` is extended CONNECT's (RFC 8441), `is_ended` says that no
/// body follows, `max_headers` bounds the fields. A WebSocket's opening appears as the GET it is in HTTP/1.
///
/// # Errors
/// The code to answer with; `head` then holds what was understood. Rules: RFC 9113 section 8;
/// `data-plane.md` section 8.
pub fn request_from_h2(
    parts: &http::request::Parts,
    protocol: Option<&str>,
    is_ended: bool,
    max_headers: usize,
    head: &mut RequestHead,
) -> Result<(), Code> {
    head.clear();
    head.version = Version::Http2;
    head.keep_alive = true;
    head.is_websocket = is_websocket(&parts.method, protocol)?;
    head.set_method(if head.is_websocket { b"GET" } else { parts.method.as_str().as_bytes() });
    take_target(parts, head)?;
    take_fields(&parts.headers, max_headers, &mut head.fields)?;
    take_authority(parts, head)?;
    if head.is_websocket {
        return check_websocket(head, is_ended);
    }
    take_framing(head, is_ended)?;
    take_expectation(head)
}

/// CONNECT is served for WebSockets alone; TRACE never.
fn is_websocket(method: &Method, protocol: Option<&str>) -> Result<bool, Code> {
    match (method, protocol) {
        (&Method::CONNECT, Some("websocket")) => Ok(true),
        (&Method::CONNECT, Some(_)) => Err(Code::UpgradeUnsupported),
        (&Method::CONNECT | &Method::TRACE, _) => Err(Code::MethodNotAllowed),
        // As in HTTP/1: some origins take `get` for GET.
        (method, _) if method.as_str().bytes().any(|b| b.is_ascii_lowercase()) => Err(Code::BadRequest),
        _ => Ok(false),
    }
}

fn take_target(parts: &http::request::Parts, head: &mut RequestHead) -> Result<(), Code> {
    // The library keeps the scheme only beside an authority; without one it has checked the scheme itself.
    let scheme = parts.uri.scheme();
    let is_http =
        scheme.map_or(parts.uri.authority().is_none(), |s| *s == Scheme::HTTP || *s == Scheme::HTTPS);
    let target = parts.uri.path_and_query().map_or("", PathAndQuery::as_str);
    let is_target = target.starts_with('/') || (target == "*" && parts.method == Method::OPTIONS);
    // As in HTTP/1: a byte that ends a request line elsewhere, or a fragment, would be read otherwise by an origin.
    let is_plain = target.bytes().all(|byte| (byte > b' ' && byte != 0x7f && byte != b'#') || byte >= 0x80);
    if !is_http || !is_target || !is_plain {
        return Err(Code::BadRequest);
    }
    if target.len() > MOST_TARGET {
        return Err(Code::UriTooLong);
    }
    head.set_target(target.as_bytes());
    Ok(())
}

fn take_fields(map: &HeaderMap, max_headers: usize, into: &mut Fields) -> Result<(), Code> {
    if map.len() > max_headers {
        return Err(Code::HeadTooLarge);
    }
    for (name, value) in map {
        let (name, value) = (name.as_str().as_bytes(), value.as_bytes());
        if !may_stand_in_h2(FieldName::of(name), value) {
            return Err(Code::BadRequest);
        }
        into.push(name, value.trim_ascii());
    }
    Ok(())
}

/// RFC 9113 section 8.2.2: fields of one connection are malformed, but for `te: trailers`.
fn may_stand_in_h2(id: FieldName, value: &[u8]) -> bool {
    use FieldName::*;
    match id {
        Connection | Http2Settings | KeepAlive | ProxyConnection | TransferEncoding | Upgrade => false,
        Te => value.eq_ignore_ascii_case(b"trailers"),
        _ => true,
    }
}

/// `:authority` wins over an equal Host; a different one is refused.
fn take_authority(parts: &http::request::Parts, head: &mut RequestHead) -> Result<(), Code> {
    let mut hosts = head.fields.spans(FieldName::Host);
    let (host_field, None) = (hosts.next(), hosts.next()) else { return Err(Code::HostInvalid) };
    drop(hosts);
    match (parts.uri.authority().map(|a| a.as_str().as_bytes()), host_field) {
        (None, None) => return Err(Code::HostInvalid),
        (None, Some(span)) => {
            let host = host_range(head.fields.bytes(span)).ok_or(Code::HostInvalid)?;
            head.set_authority_span(span, host);
        }
        (Some(named), span) => {
            if span.is_some_and(|span| !named.eq_ignore_ascii_case(head.fields.bytes(span))) {
                return Err(Code::HostInvalid);
            }
            head.set_authority(named, host_of_authority(named).ok_or(Code::HostInvalid)?);
        }
    }
    Ok(())
}

/// RFC 8441 section 5: no key, no accept value, but the version if it is said; a tunnel that is open.
fn check_websocket(head: &mut RequestHead, is_ended: bool) -> Result<(), Code> {
    let is_our_version = head.fields.get_all(FieldName::SecWebSocketVersion).all(|version| version == b"13");
    if is_ended || !is_our_version || head.fields.has(FieldName::ContentLength) {
        return Err(Code::UpgradeUnsupported);
    }
    head.framing = Framing::None;
    Ok(())
}

fn take_framing(head: &mut RequestHead, is_ended: bool) -> Result<(), Code> {
    head.accepts_trailers = head.fields.has(FieldName::Te);
    let mut lengths = head.fields.get_all(FieldName::ContentLength);
    let length = match (lengths.next(), lengths.next()) {
        (None, _) => None,
        (Some(value), None) => Some(parse_length(value).ok_or(Code::FramingAmbiguous)?),
        (Some(_), Some(_)) => return Err(Code::FramingAmbiguous),
    };
    drop(lengths);
    head.framing = match length {
        Some(1..) if is_ended => return Err(Code::FramingAmbiguous),
        _ if is_ended => Framing::None,
        // An empty body that has not ended yet may still end in trailers.
        Some(0) | None => Framing::Chunked,
        Some(length) => Framing::Length(length),
    };
    Ok(())
}

fn take_expectation(head: &mut RequestHead) -> Result<(), Code> {
    if !head.fields.get_all(FieldName::Expect).all(|value| value.eq_ignore_ascii_case(b"100-continue")) {
        return Err(Code::ExpectationFailed);
    }
    head.expects_continue = head.framing != Framing::None && head.fields.has(FieldName::Expect);
    Ok(())
}

/// What the proxy decides about a request to an HTTP/2 origin.
pub struct ToOriginH2<'a> {
    pub outbound: &'a Outbound<'a>,
    /// Of the connection to the origin, not of the client's: origins refuse a `:scheme` that is not theirs.
    pub is_https: bool,
}

/// The request as the h2 library sends it; the same fields pass as in HTTP/1.
///
/// # Errors
/// `bad_request` for a head that HTTP/2 cannot carry; `internal` for a WebSocket's opening, which goes to origins
/// over HTTP/1 alone.
pub fn request_to_h2(head: &RequestHead, to: &ToOriginH2<'_>) -> Result<Request<()>, Code> {
    if head.is_websocket {
        return Err(Code::Internal);
    }
    let mut request = Request::new(());
    *request.method_mut() = Method::from_bytes(head.method_bytes()).map_err(|_| Code::BadRequest)?;
    *request.uri_mut() = uri(head.target(), to)?;
    *request.version_mut() = http::Version::HTTP_2;
    let map = request.headers_mut();
    map.reserve(head.fields.len() + 6);
    for (_, name, value) in request_fields(&head.fields) {
        map.append(HeaderName::from_bytes(name).map_err(|_| Code::BadRequest)?, header_value(value)?);
    }
    add_cookies(head, map)?;
    add_framing(head, map)?;
    map.insert(X_FORWARDED_FOR, header_value(to.outbound.forwarded_for)?);
    map.insert(X_FORWARDED_PROTO, header_value(to.outbound.forwarded_proto)?);
    map.insert(FORWARDED, header_value(to.outbound.forwarded)?);
    map.insert(X_REQUEST_ID, header_value(to.outbound.request_id)?);
    map.insert(CDN_LOOP, header_value(to.outbound.cdn_loop)?);
    if head.accepts_trailers {
        map.insert(TE, HeaderValue::from_static("trailers"));
    }
    if head.expects_continue {
        map.insert(EXPECT, HeaderValue::from_static("100-continue"));
    }
    Ok(request)
}

fn uri(target: &[u8], to: &ToOriginH2<'_>) -> Result<Uri, Code> {
    let mut uri = http::uri::Parts::default();
    uri.scheme = Some(if to.is_https { Scheme::HTTPS } else { Scheme::HTTP });
    uri.authority = Some(Authority::try_from(to.outbound.host).map_err(|_| Code::BadRequest)?);
    uri.path_and_query = Some(PathAndQuery::try_from(target).map_err(|_| Code::BadRequest)?);
    Uri::from_parts(uri).map_err(|_| Code::BadRequest)
}

fn add_cookies(head: &RequestHead, map: &mut HeaderMap) -> Result<(), Code> {
    if head.fields.has(FieldName::Cookie) {
        let mut cookies = Vec::new();
        joined_cookies(&head.fields, &mut cookies);
        map.insert(COOKIE, header_value(&cookies)?);
    }
    Ok(())
}

fn add_framing(head: &RequestHead, map: &mut HeaderMap) -> Result<(), Code> {
    match head.framing {
        Framing::Length(length) => {
            map.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        Framing::None if head.fields.has(FieldName::ContentLength) => {
            map.insert(CONTENT_LENGTH, HeaderValue::from(0));
        }
        Framing::Chunked => announce_trailers(&head.fields, map)?,
        Framing::None | Framing::UntilClose => {}
    }
    Ok(())
}

fn header_value(bytes: &[u8]) -> Result<HeaderValue, Code> {
    HeaderValue::from_bytes(bytes).map_err(|_| Code::BadRequest)
}
