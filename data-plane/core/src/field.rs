//! Header field names that some stage treats differently from the rest.

/// A field name, recognised once when the head is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FieldName {
    Accept,
    CdnLoop,
    Connection,
    ContentLength,
    Cookie,
    Date,
    Expect,
    Forwarded,
    Host,
    Http2Settings,
    KeepAlive,
    ProxyAuthenticate,
    ProxyAuthorization,
    ProxyConnection,
    SecWebSocketAccept,
    SecWebSocketKey,
    SecWebSocketVersion,
    Server,
    Te,
    Trailer,
    TransferEncoding,
    Upgrade,
    Via,
    XForwardedFor,
    XForwardedHost,
    XForwardedProto,
    /// Any other name beginning with `x-forwarded-`.
    XForwardedOther,
    XRealIp,
    XRequestId,
    /// Any name beginning with `egressway-`: ours, never taken from or passed on for others.
    Internal,
    Other,
}

impl FieldName {
    /// Recognises `name` in any letter case.
    pub fn of(name: &[u8]) -> FieldName {
        use FieldName::*;
        // Length and first letter leave at most one candidate, most often spelled as here.
        let (known, id) = match (name.len(), name.first().map_or(0, u8::to_ascii_lowercase)) {
            (2, b't') => ("TE", Te),
            (3, b'v') => ("Via", Via),
            (4, b'd') => ("Date", Date),
            (4, b'h') => ("Host", Host),
            (6, b'a') => ("Accept", Accept),
            (6, b'c') => ("Cookie", Cookie),
            (6, b'e') => ("Expect", Expect),
            (6, b's') => ("Server", Server),
            (7, b't') => ("Trailer", Trailer),
            (8, b'c') => ("CDN-Loop", CdnLoop),
            (7, b'u') => ("Upgrade", Upgrade),
            (9, b'f') => ("Forwarded", Forwarded),
            (9, b'x') => ("X-Real-IP", XRealIp),
            (10, b'c') => ("Connection", Connection),
            (10, b'k') => ("Keep-Alive", KeepAlive),
            (12, b'x') => ("X-Request-ID", XRequestId),
            (14, b'c') => ("Content-Length", ContentLength),
            (14, b'h') => ("HTTP2-Settings", Http2Settings),
            (15, b'x') => ("X-Forwarded-For", XForwardedFor),
            (16, b'p') => ("Proxy-Connection", ProxyConnection),
            (16, b'x') => ("X-Forwarded-Host", XForwardedHost),
            (17, b's') => ("Sec-WebSocket-Key", SecWebSocketKey),
            (17, b't') => ("Transfer-Encoding", TransferEncoding),
            (17, b'x') => ("X-Forwarded-Proto", XForwardedProto),
            (18, b'p') => ("Proxy-Authenticate", ProxyAuthenticate),
            (19, b'p') => ("Proxy-Authorization", ProxyAuthorization),
            (20, b's') => ("Sec-WebSocket-Accept", SecWebSocketAccept),
            (21, b's') => ("Sec-WebSocket-Version", SecWebSocketVersion),
            _ => ("", Other),
        };
        if id != Other && (name == known.as_bytes() || name.eq_ignore_ascii_case(known.as_bytes())) {
            return id;
        }
        let begins =
            |prefix: &[u8]| name.len() > prefix.len() && name[..prefix.len()].eq_ignore_ascii_case(prefix);
        match name.first() {
            Some(b'e' | b'E') if begins(b"egressway-") => Internal,
            Some(b'x' | b'X') if begins(b"x-forwarded-") => XForwardedOther,
            _ => Other,
        }
    }

    /// Fields that speak of one connection only and are never passed on (RFC 9110 section 7.6.1).
    #[inline]
    pub const fn is_hop_by_hop(self) -> bool {
        use FieldName::*;
        matches!(
            self,
            Connection
                | KeepAlive
                | ProxyConnection
                | ProxyAuthenticate
                | ProxyAuthorization
                | Te
                | Trailer
                | TransferEncoding
                | Upgrade
                | Http2Settings
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_name_is_recognised() {
        let known = [
            ("Accept", FieldName::Accept),
            ("CDN-Loop", FieldName::CdnLoop),
            ("Connection", FieldName::Connection),
            ("Content-Length", FieldName::ContentLength),
            ("Cookie", FieldName::Cookie),
            ("Date", FieldName::Date),
            ("Expect", FieldName::Expect),
            ("Forwarded", FieldName::Forwarded),
            ("Host", FieldName::Host),
            ("HTTP2-Settings", FieldName::Http2Settings),
            ("Keep-Alive", FieldName::KeepAlive),
            ("Proxy-Authenticate", FieldName::ProxyAuthenticate),
            ("Proxy-Authorization", FieldName::ProxyAuthorization),
            ("Proxy-Connection", FieldName::ProxyConnection),
            ("Sec-WebSocket-Accept", FieldName::SecWebSocketAccept),
            ("Sec-WebSocket-Key", FieldName::SecWebSocketKey),
            ("Sec-WebSocket-Version", FieldName::SecWebSocketVersion),
            ("Server", FieldName::Server),
            ("TE", FieldName::Te),
            ("Trailer", FieldName::Trailer),
            ("Transfer-Encoding", FieldName::TransferEncoding),
            ("Upgrade", FieldName::Upgrade),
            ("Via", FieldName::Via),
            ("X-Forwarded-For", FieldName::XForwardedFor),
            ("X-Forwarded-Host", FieldName::XForwardedHost),
            ("X-Forwarded-Proto", FieldName::XForwardedProto),
            ("X-Real-IP", FieldName::XRealIp),
            ("X-Request-ID", FieldName::XRequestId),
        ];
        for (name, id) in known {
            assert_eq!(FieldName::of(name.as_bytes()), id, "{name}");
            assert_eq!(FieldName::of(name.to_ascii_uppercase().as_bytes()), id, "{name}");
            assert_ne!(FieldName::of(format!("{name}x").as_bytes()), id, "{name}");
        }
    }

    #[test]
    fn names_are_recognised_in_any_case() {
        assert_eq!(FieldName::of(b"Content-LENGTH"), FieldName::ContentLength);
        assert_eq!(FieldName::of(b"EGRESSWAY-Zone"), FieldName::Internal);
        assert_eq!(FieldName::of(b"X-Forwarded-For"), FieldName::XForwardedFor);
        assert_eq!(FieldName::of(b"X-Forwarded-Port"), FieldName::XForwardedOther);
        assert_eq!(FieldName::of(b"x-forwarded"), FieldName::Other);
        assert_eq!(FieldName::of(b"x-other"), FieldName::Other);
    }
}
