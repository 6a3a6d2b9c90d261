//! Which fields a message may carry across the proxy; one rule for all protocols (`data-plane.md` section 8).

use crate::field::FieldName;
use crate::head::Fields;

/// Names that `Connection` may list in vain: without them the message would change its meaning.
const fn is_indispensable(id: FieldName) -> bool {
    use FieldName::*;
    matches!(
        id,
        Host | ContentLength | Cookie | Date | Forwarded | XForwardedFor | XForwardedProto | XRequestId
    )
}

fn items(fields: &Fields) -> impl Iterator<Item = &[u8]> {
    fields
        .get_all(FieldName::Connection)
        .flat_map(|value| value.split(|b| *b == b','))
        .map(<[u8]>::trim_ascii)
}

/// `Connection` names fields beyond those that are never passed on. Most often it does not, and then no field
/// has to be looked up in it.
fn lists_fields(fields: &Fields) -> bool {
    let is_option = |item: &[u8]| {
        item.is_empty() || item.eq_ignore_ascii_case(b"close") || FieldName::of(item).is_hop_by_hop()
    };
    // A value without a comma is one item.
    let mut values = fields.get_all(FieldName::Connection);
    !values.all(is_option) && !items(fields).all(is_option)
}

fn is_for_one_hop(fields: &Fields, lists_fields: bool, id: FieldName, name: &[u8]) -> bool {
    id.is_hop_by_hop()
        || (lists_fields
            && !is_indispensable(id)
            && items(fields).any(|item| item.eq_ignore_ascii_case(name)))
}

/// A name that origins behind CGI, WSGI and their like cannot tell from one of ours: `X_Forwarded_For` and
/// `X-Forwarded-For` both become `HTTP_X_FORWARDED_FOR`. nginx drops every such name; here only those that could
/// forge what the proxy says are dropped.
fn is_disguise(id: FieldName, name: &[u8]) -> bool {
    if id != FieldName::Other || memchr::memchr(b'_', name).is_none() {
        return false;
    }
    // Longer than every name that is known as a whole, so that a cut name can only match by its prefix.
    let mut plain = [0; 32];
    let length = name.len().min(plain.len());
    for (to, from) in plain.iter_mut().zip(name) {
        *to = if *from == b'_' { b'-' } else { *from };
    }
    FieldName::of(&plain[..length]) != FieldName::Other
}

/// Fields of a request that go to the origin as they are, in order. Host, length, cookies, `Trailer`, a
/// WebSocket's key and version, and what the proxy says of the client are written apart.
pub fn request_fields(fields: &Fields) -> impl Iterator<Item = (FieldName, &[u8], &[u8])> {
    use FieldName::*;
    let lists_fields = lists_fields(fields);
    fields.iter().filter(move |(id, name, _)| {
        let is_ours = matches!(
            id,
            CdnLoop
                | Host
                | ContentLength
                | Cookie
                | Expect
                | Forwarded
                | Internal
                | SecWebSocketKey
                | SecWebSocketVersion
                | XForwardedFor
                | XForwardedHost
                | XForwardedOther
                | XForwardedProto
                | XRealIp
                | XRequestId
        );
        !is_ours && !is_for_one_hop(fields, lists_fields, *id, name) && !is_disguise(*id, name)
    })
}

/// Fields of a response that go to the client as they are, in order. Length, `Trailer`, request id and a
/// WebSocket's accept value are written apart. Internal fields pass: those of an origin have been removed when
/// its head was read, so what is left is the proxy's own answer.
pub fn response_fields(fields: &Fields) -> impl Iterator<Item = (FieldName, &[u8], &[u8])> {
    use FieldName::*;
    let lists_fields = lists_fields(fields);
    fields.iter().filter(move |(id, name, _)| {
        !matches!(id, ContentLength | XRequestId | SecWebSocketAccept)
            && !is_for_one_hop(fields, lists_fields, *id, name)
    })
}

/// A trailer field that may pass: nothing that frames, routes, speaks for the client or belongs to one hop
/// (RFC 9110 section 6.5.1).
pub fn is_trailer_allowed(name: &[u8]) -> bool {
    use FieldName::*;
    let id = FieldName::of(name);
    !id.is_hop_by_hop()
        && !is_disguise(id, name)
        && !matches!(
            id,
            CdnLoop
                | Host
                | ContentLength
                | Cookie
                | Expect
                | Forwarded
                | Internal
                | SecWebSocketAccept
                | SecWebSocketKey
                | SecWebSocketVersion
                | XForwardedFor
                | XForwardedHost
                | XForwardedOther
                | XForwardedProto
                | XRealIp
                | XRequestId
        )
}

/// Appends all cookies as one value (RFC 9113 section 8.2.3); nothing when there are none.
pub fn joined_cookies(fields: &Fields, into: &mut Vec<u8>) {
    for (i, cookie) in fields.get_all(FieldName::Cookie).enumerate() {
        if i > 0 {
            into.extend_from_slice(b"; ");
        }
        into.extend_from_slice(cookie);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(list: &[(&str, &str)]) -> Fields {
        let mut fields = Fields::default();
        for (name, value) in list {
            fields.push(name.as_bytes(), value.as_bytes());
        }
        fields
    }

    fn names<'a>(kept: impl Iterator<Item = (FieldName, &'a [u8], &'a [u8])>) -> Vec<String> {
        kept.map(|(_, name, _)| String::from_utf8_lossy(name).into_owned()).collect()
    }

    #[test]
    fn what_any_connection_line_lists_is_stripped() {
        let fields = fields(&[
            ("Connection", "keep-alive, X-One"),
            ("X-One", "1"),
            ("x-two", "2"),
            ("Connection", "X-TWO"),
            ("X-Three", "3"),
        ]);
        assert_eq!(names(request_fields(&fields)), ["X-Three"]);
        assert_eq!(names(response_fields(&fields)), ["X-Three"]);
    }

    #[test]
    fn what_connection_may_not_name_stays() {
        let fields = fields(&[("Connection", "Date, close"), ("Date", "today"), ("Via", "1.1 a")]);
        assert_eq!(names(response_fields(&fields)), ["Date", "Via"]);
    }

    #[test]
    fn hop_by_hop_fields_are_stripped_without_being_listed() {
        let hops = [
            "Keep-Alive",
            "Proxy-Connection",
            "Proxy-Authenticate",
            "Proxy-Authorization",
            "TE",
            "Trailer",
            "Transfer-Encoding",
            "Upgrade",
            "HTTP2-Settings",
        ];
        for name in hops {
            let fields = fields(&[(name, "x"), ("X-Kept", "y")]);
            assert_eq!(names(request_fields(&fields)), ["X-Kept"], "{name}");
            assert_eq!(names(response_fields(&fields)), ["X-Kept"], "{name}");
        }
    }

    #[test]
    fn a_client_cannot_speak_for_the_proxy_even_in_disguise() {
        let claims = [
            "X-Forwarded-For",
            "X_Forwarded_For",
            "x-forwarded_proto",
            "X-Forwarded-Host",
            "X-Forwarded-Port",
            "X_FORWARDED_ANYTHING_AT_ALL_THAT_IS_LONG",
            "Forwarded",
            "X-Real-IP",
            "X_Real_IP",
            "X-Request-ID",
            "Egressway-Zone",
            "egressway_zone",
            "Content_Length",
            "Transfer_Encoding",
        ];
        for name in claims {
            let fields = fields(&[(name, "x"), ("under_score", "y")]);
            assert_eq!(names(request_fields(&fields)), ["under_score"], "{name}");
            assert!(!is_trailer_allowed(name.as_bytes()), "{name}");
        }
        assert!(is_trailer_allowed(b"grpc-status"));
    }
}
