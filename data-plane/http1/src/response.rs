//! Response heads. An origin that breaks a rule is answered for with 502, and its connection is closed.

use crate::syntax::{Announced, announced_framing, is_crlf_only, keeps_connection, take_fields};
use crate::{Limits, MOST_HEADERS};
use egressway_core::{Code, FieldName, Framing, ResponseHead, Version};
use std::mem::MaybeUninit;

/// What of the request decides how its response ends.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    /// The request was HEAD.
    pub head_request: bool,
    /// The request asked for a WebSocket.
    pub upgrade: bool,
}

/// Reads one response head, interim ones included. `Ok(None)`: more bytes are needed. `Ok(Some(n))`: `head` is
/// filled and `n` bytes are consumed. Fields in which only the proxy speaks are left out.
///
/// # Errors
/// `origin_protocol`, whatever the violation (RFC 9112 sections 4, 5 and 6.3; `data-plane.md` section 8).
pub fn parse_response(
    buf: &[u8],
    limits: &Limits,
    asked: Asked,
    head: &mut ResponseHead,
) -> Result<Option<usize>, Code> {
    head.clear();
    if !b"HTTP/1.".starts_with(&buf[..buf.len().min(7)]) {
        return Err(Code::OriginProtocol);
    }
    let window = &buf[..buf.len().min(limits.max_head_bytes)];
    let Some(end) = read_head(window, limits, head)? else {
        return if window.len() < limits.max_head_bytes { Ok(None) } else { Err(Code::OriginProtocol) };
    };
    take_framing(head, asked)?;
    Ok(Some(end))
}

/// Status line and fields; the head's length, or `None` if its end is not there.
fn read_head(window: &[u8], limits: &Limits, head: &mut ResponseHead) -> Result<Option<usize>, Code> {
    let mut headers = [const { MaybeUninit::uninit() }; MOST_HEADERS];
    let most = limits.max_headers.min(MOST_HEADERS);
    let mut parsed = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    let end = match config.parse_response_with_uninit_headers(&mut parsed, window, &mut headers[..most]) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(Code::OriginProtocol),
    };
    let section = &window[..end];
    head.status = parsed.code.unwrap_or_default();
    head.version = if parsed.version == Some(1) { Version::Http11 } else { Version::Http10 };
    if !(100..=599).contains(&head.status) || !is_crlf_only(section) {
        return Err(Code::OriginProtocol);
    }
    let stored = head.fields.store(section);
    take_fields(parsed.headers, section, stored, &mut head.fields);
    head.fields.remove(FieldName::Internal);
    Ok(Some(end))
}

fn take_framing(head: &mut ResponseHead, asked: Asked) -> Result<(), Code> {
    let is_http11 = head.version == Version::Http11;
    let announced = announced_framing(&head.fields);
    let announces_body = matches!(announced, Announced::Chunked | Announced::Length(1..));
    head.keep_alive = keeps_connection(&head.fields, is_http11);
    head.framing = match (head.status, announced) {
        (_, Announced::Ambiguous | Announced::UnknownCoding) => return Err(Code::OriginProtocol),
        (_, Announced::Chunked) if !is_http11 => return Err(Code::OriginProtocol),
        (101, _) if !asked.upgrade || !is_http11 => return Err(Code::OriginProtocol),
        (100..=199, _) if announces_body => return Err(Code::OriginProtocol),
        (204, _) => {
            // It has no body, whatever it announces; but if it does, what comes next may be one.
            head.keep_alive &= !announces_body;
            Framing::None
        }
        (100..=199 | 304, _) => Framing::None,
        _ if asked.head_request => Framing::None,
        (_, Announced::Length(0)) => Framing::None,
        (_, Announced::Length(length)) => Framing::Length(length),
        (_, Announced::Chunked) => Framing::Chunked,
        (_, Announced::Nothing) => {
            head.keep_alive = false;
            Framing::UntilClose
        }
    };
    Ok(())
}
