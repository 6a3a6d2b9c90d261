//! Responses of HTTP/2 origins, and responses to HTTP/2 clients.

use crate::trailers::announce_trailers;
use egressway_core::hygiene::response_fields;
use egressway_core::{Code, FieldName, Framing, ResponseHead, Version};
use egressway_http1::parse_length;
use http::header::CONTENT_LENGTH;
use http::{HeaderName, HeaderValue, Response, StatusCode};

/// Fills `head` from an origin's response, interim ones included. `is_ended` says that no body follows.
///
/// # Errors
/// `origin_protocol` (RFC 9113 sections 8.1.1 and 8.2.2, RFC 9110 section 15).
pub fn response_from_h2(
    parts: &http::response::Parts,
    is_head_request: bool,
    is_ended: bool,
    head: &mut ResponseHead,
) -> Result<(), Code> {
    head.clear();
    head.status = parts.status.as_u16();
    head.version = Version::Http2;
    head.keep_alive = true;
    if head.status == 101 || head.status > 599 {
        return Err(Code::OriginProtocol);
    }
    for (name, value) in &parts.headers {
        head.fields.push(name.as_str().as_bytes(), value.as_bytes().trim_ascii());
    }
    head.fields.remove(FieldName::Internal);
    let length = take_length(head)?;
    let has_no_body = is_head_request || head.status < 200 || matches!(head.status, 204 | 304);
    head.framing = match length {
        _ if has_no_body => Framing::None,
        Some(1..) if is_ended => return Err(Code::OriginProtocol),
        _ if is_ended => {
            // Towards HTTP/1 clients an empty body has to be told.
            if length.is_none() {
                head.fields.push(b"content-length", b"0");
            }
            Framing::None
        }
        Some(0) | None => Framing::Chunked,
        Some(length) => Framing::Length(length),
    };
    Ok(())
}

fn take_length(head: &ResponseHead) -> Result<Option<u64>, Code> {
    let mut lengths = head.fields.get_all(FieldName::ContentLength);
    match (lengths.next(), lengths.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => parse_length(value).map(Some).ok_or(Code::OriginProtocol),
        (Some(_), Some(_)) => Err(Code::OriginProtocol),
    }
}

/// The response as the h2 library sends it; without a request id when that is empty. The 101 that opens a
/// WebSocket becomes a 200 (RFC 8441 section 5) with its subprotocol and extensions.
///
/// # Errors
/// `origin_protocol` for a head that HTTP/2 cannot carry.
pub fn response_to_h2(head: &ResponseHead, request_id: &[u8]) -> Result<Response<()>, Code> {
    let mut response = Response::new(());
    let status = if head.status == 101 { 200 } else { head.status };
    *response.status_mut() = StatusCode::from_u16(status).map_err(|_| Code::OriginProtocol)?;
    *response.version_mut() = http::Version::HTTP_2;
    let map = response.headers_mut();
    map.reserve(head.fields.len() + 1);
    for (_, name, value) in response_fields(&head.fields) {
        let name = HeaderName::from_bytes(name).map_err(|_| Code::OriginProtocol)?;
        map.append(name, HeaderValue::from_bytes(value).map_err(|_| Code::OriginProtocol)?);
    }
    if let Some(length) = length(head) {
        map.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    if head.framing == Framing::Chunked {
        announce_trailers(&head.fields, map)?;
    }
    if !request_id.is_empty() {
        let id = HeaderValue::from_bytes(request_id).map_err(|_| Code::Internal)?;
        map.insert(HeaderName::from_static("x-request-id"), id);
    }
    Ok(response)
}

fn length(head: &ResponseHead) -> Option<u64> {
    match head.framing {
        Framing::Length(length) => Some(length),
        // HEAD and 304 tell the length of a body that does not follow.
        Framing::None if head.status >= 200 && head.status != 204 => {
            head.fields.get(FieldName::ContentLength).and_then(parse_length)
        }
        _ => None,
    }
}
