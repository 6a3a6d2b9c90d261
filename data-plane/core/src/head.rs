//! The one internal form of a message head, whatever protocol it came by.
//!
//! All bytes of a head lie in one buffer; method, target and fields are spans of it. A head is cleared and
//! filled again for the next message of a connection, so a keep-alive request allocates nothing.
//! Codecs (`http1`, `http2`) fill and write heads; stages read them.

mod transfer;

use crate::field::FieldName;
use std::ops::Range;

/// A range of a head's buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    start: u32,
    end: u32,
}

impl Span {
    fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    pub const fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// A part of it; `range` counts from its start.
    #[inline]
    pub const fn part(self, range: Range<usize>) -> Span {
        Span { start: self.start + range.start as u32, end: self.start + range.end as u32 }
    }
}

/// One header field.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    pub id: FieldName,
    name: Span,
    value: Span,
}

/// The bytes and fields that requests and responses have in common.
#[derive(Debug, Default)]
pub struct Fields {
    bytes: Vec<u8>,
    list: Vec<Field>,
    /// A bit for each [`FieldName`] that is there, since most questions are about fields that are not.
    present: u64,
}

const fn bit(id: FieldName) -> u64 {
    1 << id as u8
}

impl Fields {
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.list.clear();
        self.present = 0;
    }

    /// Copies `bytes` into the head's buffer.
    #[inline]
    pub fn store(&mut self, bytes: &[u8]) -> Span {
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(bytes);
        Span { start, end: self.bytes.len() as u32 }
    }

    /// Adds a field; `name` in any case, kept as given.
    #[inline]
    pub fn push(&mut self, name: &[u8], value: &[u8]) {
        let (name, value) = (self.store(name), self.store(value));
        self.push_stored(name, value);
    }

    /// The same for bytes that lie in the head's buffer already.
    #[inline]
    pub fn push_stored(&mut self, name: Span, value: Span) {
        let id = FieldName::of(self.bytes(name));
        self.present |= bit(id);
        self.list.push(Field { id, name, value });
    }

    /// Forgets the fields called `id`; their bytes stay until the head is cleared.
    pub fn remove(&mut self, id: FieldName) {
        if self.has(id) {
            self.list.retain(|field| field.id != id);
            self.present &= !bit(id);
        }
    }

    #[inline]
    pub fn bytes(&self, span: Span) -> &[u8] {
        &self.bytes[span.range()]
    }

    #[inline]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// `(id, name, value)` in order of arrival.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = (FieldName, &[u8], &[u8])> {
        self.list.iter().map(|f| (f.id, self.bytes(f.name), self.bytes(f.value)))
    }

    /// The first value of a known field.
    #[inline]
    pub fn get(&self, id: FieldName) -> Option<&[u8]> {
        self.get_all(id).next()
    }

    #[inline]
    pub fn get_all(&self, id: FieldName) -> impl Iterator<Item = &[u8]> {
        self.spans(id).map(|span| self.bytes(span))
    }

    #[inline]
    pub const fn has(&self, id: FieldName) -> bool {
        self.present & bit(id) != 0
    }

    /// Where the values of a known field lie.
    #[inline]
    pub fn spans(&self, id: FieldName) -> impl Iterator<Item = Span> {
        let list = if self.has(id) { self.list.as_slice() } else { &[] };
        list.iter().filter(move |f| f.id == id).map(|f| f.value)
    }
}

/// How a message says where its body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Framing {
    /// There is no body.
    #[default]
    None,
    /// Exactly so many bytes (`Content-Length`), at least one.
    Length(u64),
    /// HTTP/1.1 chunked, or HTTP/2 DATA without a `content-length`; may end in trailers.
    Chunked,
    /// HTTP/1 responses only: until the connection ends.
    UntilClose,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Version {
    Http10,
    #[default]
    Http11,
    Http2,
}

impl Version {
    pub const fn as_str(self) -> &'static str {
        match self {
            Version::Http10 => "http/1.0",
            Version::Http11 => "http/1.1",
            Version::Http2 => "h2",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Method {
    #[default]
    Get,
    Head,
    Post,
    Put,
    Delete,
    Options,
    Patch,
    Connect,
    Trace,
    /// Any other token; its bytes are in [`RequestHead::method_bytes`].
    Other,
}

impl Method {
    pub fn of(token: &[u8]) -> Method {
        match token {
            b"GET" => Method::Get,
            b"HEAD" => Method::Head,
            b"POST" => Method::Post,
            b"PUT" => Method::Put,
            b"DELETE" => Method::Delete,
            b"OPTIONS" => Method::Options,
            b"PATCH" => Method::Patch,
            b"CONNECT" => Method::Connect,
            b"TRACE" => Method::Trace,
            _ => Method::Other,
        }
    }

    /// RFC 9110 section 9.2.2.
    pub const fn is_idempotent(self) -> bool {
        matches!(
            self,
            Method::Get | Method::Head | Method::Put | Method::Delete | Method::Options | Method::Trace
        )
    }
}

/// A request as the stages see it: checked, one valid authority, framing decided.
#[derive(Debug, Default)]
pub struct RequestHead {
    pub fields: Fields,
    pub method: Method,
    pub version: Version,
    pub framing: Framing,
    /// HTTP/1: the client asked to keep the connection (or did not forbid it). HTTP/2: true.
    pub keep_alive: bool,
    /// `Expect: 100-continue`.
    pub expects_continue: bool,
    /// A WebSocket opening: HTTP/1 `Upgrade: websocket`, or HTTP/2 extended CONNECT with `:protocol` websocket.
    pub is_websocket: bool,
    /// The client takes trailers (`TE: trailers`).
    pub accepts_trailers: bool,
    method_span: Span,
    target_span: Span,
    authority_span: Span,
    host_span: Span,
}

impl RequestHead {
    pub fn clear(&mut self) {
        self.fields.clear();
        let fields = std::mem::take(&mut self.fields);
        *self = RequestHead { fields, ..RequestHead::default() };
    }

    pub fn set_method(&mut self, token: &[u8]) {
        let token = self.fields.store(token);
        self.set_method_span(token);
    }

    /// The same for a token that lies in this head already.
    #[inline]
    pub fn set_method_span(&mut self, token: Span) {
        self.method = Method::of(self.fields.bytes(token));
        self.method_span = token;
    }

    /// Origin-form (`/path?query`) or `*`; never absolute-form.
    pub fn set_target(&mut self, target: &[u8]) {
        self.target_span = self.fields.store(target);
    }

    /// The same for a target that lies in this head already.
    #[inline]
    pub fn set_target_span(&mut self, target: Span) {
        self.target_span = target;
    }

    /// `authority` as received (`Host` or `:authority`, port included); the host in it is stored once more in
    /// lower case without port, brackets or trailing dot, ready for the zone table.
    pub fn set_authority(&mut self, authority: &[u8], host: &[u8]) {
        self.authority_span = self.fields.store(authority);
        let start = self.fields.bytes.len() as u32;
        self.fields.bytes.extend(host.iter().map(u8::to_ascii_lowercase));
        self.host_span = Span { start, end: self.fields.bytes.len() as u32 };
    }

    /// The same for an authority that lies in this head already (the value of its `Host`): nothing is stored
    /// twice but the host, which is the part `host` of it.
    pub fn set_authority_span(&mut self, authority: Span, host: Range<usize>) {
        self.authority_span = authority;
        let from = authority.range().start;
        let bytes = &mut self.fields.bytes;
        let start = bytes.len();
        bytes.extend_from_within(from + host.start..from + host.end);
        bytes[start..].make_ascii_lowercase();
        self.host_span = Span { start: start as u32, end: bytes.len() as u32 };
    }

    #[inline]
    pub fn method_bytes(&self) -> &[u8] {
        self.fields.bytes(self.method_span)
    }

    #[inline]
    pub fn target(&self) -> &[u8] {
        self.fields.bytes(self.target_span)
    }

    #[inline]
    pub fn authority(&self) -> &[u8] {
        self.fields.bytes(self.authority_span)
    }

    /// Lower case, no port, no trailing dot.
    #[inline]
    pub fn host(&self) -> &[u8] {
        self.fields.bytes(self.host_span)
    }
}

/// An origin's response: checked, framing decided.
#[derive(Debug, Default)]
pub struct ResponseHead {
    pub fields: Fields,
    pub status: u16,
    pub version: Version,
    pub framing: Framing,
    /// HTTP/1: the origin keeps the connection open after this response.
    pub keep_alive: bool,
}

impl ResponseHead {
    pub fn clear(&mut self) {
        self.fields.clear();
        let fields = std::mem::take(&mut self.fields);
        *self = ResponseHead { fields, ..ResponseHead::default() };
    }

    /// 1xx other than 101.
    pub const fn is_interim(&self) -> bool {
        self.status >= 100 && self.status < 200 && self.status != 101
    }
}
