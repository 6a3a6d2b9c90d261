//! Fields after a body.

use egressway_core::hygiene::is_trailer_allowed;
use egressway_core::{Code, FieldName, Fields};
use http::header::TRAILER;
use http::{HeaderMap, HeaderName, HeaderValue};

/// Names of trailers to come pass where trailers can.
pub(crate) fn announce_trailers(fields: &Fields, map: &mut HeaderMap) -> Result<(), Code> {
    for value in fields.get_all(FieldName::Trailer) {
        map.append(TRAILER, HeaderValue::from_bytes(value).map_err(|_| Code::Internal)?);
    }
    Ok(())
}

/// Adds what the library has read. Forbidden names are left out: the body they came behind has been passed on
/// already.
pub fn trailers_from_h2(map: &HeaderMap, into: &mut Fields) {
    for (name, value) in map {
        if is_trailer_allowed(name.as_str().as_bytes()) {
            into.push(name.as_str().as_bytes(), value.as_bytes().trim_ascii());
        }
    }
}

/// What the library is to send, by the same rule.
pub fn trailers_to_h2(fields: &Fields) -> HeaderMap {
    let mut map = HeaderMap::with_capacity(fields.len());
    for (_, name, value) in fields.iter().filter(|(_, name, _)| is_trailer_allowed(name)) {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            map.append(name, value);
        }
    }
    map
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailers_that_frame_route_or_lie_do_not_pass_either_way() {
        let mut map = HeaderMap::new();
        for name in ["grpc-status", "content-length", "host", "connection", "x-forwarded-for", "grpc-message"]
        {
            map.append(HeaderName::from_static(name), HeaderValue::from_static("0"));
        }
        map.append("grpc-message", HeaderValue::from_static("twice"));
        let mut fields = Fields::default();
        trailers_from_h2(&map, &mut fields);
        let passed = trailers_to_h2(&fields);
        assert_eq!(fields.len(), 3);
        assert_eq!(passed.keys_len(), 2);
        assert_eq!(passed.get_all("grpc-message").iter().count(), 2);
        fields.push(b"Transfer-Encoding", b"chunked");
        assert_eq!(trailers_to_h2(&fields), passed);
    }
}
