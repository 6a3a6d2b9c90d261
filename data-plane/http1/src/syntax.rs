//! Small rules of RFC 9110 and RFC 9112 that more than one parser needs.

use egressway_core::head::Span;
use egressway_core::{FieldName, Fields};
use std::ops::Range;

/// A token character (RFC 9110 section 5.6.2).
pub const fn is_token_byte(byte: u8) -> bool {
    matches!(byte,
        b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
        | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z')
}

/// Every line of a head or of trailers ends in CRLF; httparse would take a bare LF. Written so that the compiler
/// looks at many bytes at once.
pub fn is_crlf_only(section: &[u8]) -> bool {
    let before = section.iter();
    let bare = before.zip(&section[1..]).fold(false, |found, (a, b)| found | ((*b == b'\n') & (*a != b'\r')));
    !bare && section[0] != b'\n'
}

/// A list field (`Connection`, `TE`) has this item.
pub fn list_has(fields: &Fields, id: FieldName, token: &[u8]) -> bool {
    fields.get_all(id).any(|value| {
        value.len() >= token.len()
            && value.split(|b| *b == b',').any(|item| item.trim_ascii().eq_ignore_ascii_case(token))
    })
}

/// `Connection` says that it stays open after this message (RFC 9112 section 9.3).
pub fn keeps_connection(fields: &Fields, is_http11: bool) -> bool {
    if !fields.has(FieldName::Connection) {
        return is_http11;
    }
    let has = |token| list_has(fields, FieldName::Connection, token);
    !has(b"close") && (is_http11 || has(b"keep-alive"))
}

/// `Content-Length` (RFC 9110 section 8.6): digits only, and few enough to fit into 64 bits.
pub fn parse_length(value: &[u8]) -> Option<u64> {
    if value.is_empty() || value.len() > 19 || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(value.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0')))
}

/// What the head says about where its body ends, before any rule about who may say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Announced {
    Nothing,
    Length(u64),
    Chunked,
    /// Lengths that are repeated or malformed, or stand beside a transfer coding.
    Ambiguous,
    /// A transfer coding other than exactly one `chunked`.
    UnknownCoding,
}

/// RFC 9112 section 6.3, without its leniencies.
pub fn announced_framing(fields: &Fields) -> Announced {
    let mut lengths = fields.get_all(FieldName::ContentLength);
    let mut codings = fields.get_all(FieldName::TransferEncoding);
    match (lengths.next(), codings.next()) {
        (None, None) => Announced::Nothing,
        (Some(value), None) if lengths.next().is_none() => {
            parse_length(value).map_or(Announced::Ambiguous, Announced::Length)
        }
        (Some(_), _) => Announced::Ambiguous,
        (None, Some(value)) if codings.next().is_none() && value.eq_ignore_ascii_case(b"chunked") => {
            Announced::Chunked
        }
        (None, Some(_)) => Announced::UnknownCoding,
    }
}

/// The host in an authority, without port, brackets or trailing dot, in the letter case it has. `None` when that
/// is no valid authority of a request: a registered name (letters, digits, `-`, `_`, `.`), an IPv4 address or an
/// IPv6 address in brackets, then perhaps a port; no user information (RFC 9110 sections 4.2.4 and 7.2).
pub fn host_of_authority(authority: &[u8]) -> Option<&[u8]> {
    host_range(authority).map(|range| &authority[range])
}

/// The same as a range of `authority`.
pub fn host_range(authority: &[u8]) -> Option<Range<usize>> {
    let (range, port) = if let Some(rest) = authority.strip_prefix(b"[") {
        let end = memchr::memchr(b']', rest)?;
        let is_ipv6 = std::str::from_utf8(&rest[..end]).ok()?.parse::<std::net::Ipv6Addr>().is_ok();
        (is_ipv6.then_some(1..1 + end)?, &rest[end + 1..])
    } else {
        let end = memchr::memchr(b':', authority).unwrap_or(authority.len());
        let name = authority[..end].strip_suffix(b".").unwrap_or(&authority[..end]);
        (is_name(name).then_some(0..name.len())?, &authority[end..])
    };
    match port {
        [] => Some(range),
        [b':', digits @ ..] => {
            let is_port = digits.len() <= 5 && parse_length(digits).is_some_and(|port| port <= 65_535);
            is_port.then_some(range)
        }
        _ => None,
    }
}

fn is_name(name: &[u8]) -> bool {
    let mut before = b'.';
    let is_spelled_right = name.iter().all(|&byte| {
        let is_empty_label = byte == b'.' && before == b'.';
        before = byte;
        !is_empty_label && (byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'))
    });
    is_spelled_right && before != b'.' && name.len() <= 253
}

/// Where `part` lies in `whole`, of which it is a slice.
pub fn range_in(whole: &[u8], part: &[u8]) -> Range<usize> {
    let start = part.as_ptr() as usize - whole.as_ptr() as usize;
    start..start + part.len()
}

/// Adds the fields that httparse found in `section`, which lies at `stored` in the head. Names are tokens, values
/// are trimmed and free of control characters: httparse has seen to it.
pub fn take_fields(parsed: &[httparse::Header<'_>], section: &[u8], stored: Span, into: &mut Fields) {
    for field in parsed {
        let name = stored.part(range_in(section, field.name.as_bytes()));
        into.push_stored(name, stored.part(range_in(section, field.value)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities() {
        let good = [
            ("example.com", "example.com"),
            ("Example.com:80", "Example.com"),
            ("example.com:0", "example.com"),
            ("[2001:db8::1]:8080", "2001:db8::1"),
            ("[::1]", "::1"),
            ("a_b.example.", "a_b.example"),
            ("192.0.2.1", "192.0.2.1"),
            ("192.0.2.1:65535", "192.0.2.1"),
            ("localhost", "localhost"),
        ];
        for (authority, host) in good {
            assert_eq!(host_of_authority(authority.as_bytes()), Some(host.as_bytes()), "{authority}");
        }
    }

    #[test]
    fn bad_authorities() {
        let long = "a".repeat(254);
        let bad = [
            "",
            ":80",
            ".",
            ".:80",
            "a b",
            "user@example.com",
            "example.com:65536",
            "example.com:000080",
            "example.com:",
            "example.com:8o",
            "example.com:-1",
            "::1",
            "2001:db8::1",
            "[::1",
            "[]",
            "[::1]x",
            "[::1]:",
            "[::1].",
            "[example]",
            "[192.0.2.1]",
            "[fe80::1%25eth0]",
            "a..b",
            ".a",
            "a..",
            "a/b",
            "a?b",
            "a#b",
            "a\\b",
            "a,b",
            "a%41",
            "a:1:2",
            "ex\u{e4}mple",
            &long,
        ];
        for authority in bad {
            assert_eq!(host_of_authority(authority.as_bytes()), None, "{authority}");
        }
    }

    #[test]
    fn lengths() {
        assert_eq!(parse_length(b"0"), Some(0));
        assert_eq!(parse_length(b"007"), Some(7));
        assert_eq!(parse_length(b"9999999999999999999"), Some(9_999_999_999_999_999_999));
        for bad in ["", "+1", "-1", "1 ", "0x10", "1,1", "1.0", "10000000000000000000", "\u{661}"] {
            assert_eq!(parse_length(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn a_bare_lf_is_found_anywhere() {
        let section = b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n";
        assert!(is_crlf_only(section));
        for at in (0..section.len()).filter(|at| section[*at] == b'\r') {
            let bare = [&section[..at], &section[at + 1..]].concat();
            assert!(!is_crlf_only(&bare), "{at}");
        }
        assert!(!is_crlf_only(b"\n"));
        assert!(is_crlf_only(b"x"));
    }
}
