//! Hostnames as the control plane sends them, brought into the one form that tables know.

/// Lower case, no trailing dot; labels of letters, digits, `-` and `_`. `None`: not a hostname.
pub(crate) fn hostname(text: &str) -> Option<Box<str>> {
    let name = text.strip_suffix('.').unwrap_or(text);
    if name.is_empty() || name.len() > 253 || !name.split('.').all(is_label) {
        return None;
    }
    Some(name.to_ascii_lowercase().into_boxed_str())
}

/// The same, or `*.` before it: a wildcard of one level.
pub(crate) fn hostname_or_wildcard(text: &str) -> Option<Box<str>> {
    match text.strip_prefix("*.") {
        Some(parent) => hostname(parent).map(|parent| format!("*.{parent}").into_boxed_str()),
        None => hostname(text),
    }
}

fn is_label(label: &str) -> bool {
    let bytes = label.as_bytes();
    let is_bounded =
        matches!(bytes.len(), 1..=63) && bytes.first() != Some(&b'-') && bytes.last() != Some(&b'-');
    is_bounded && bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

/// `host` or `host:port`, the host a name or an address: what may stand in a Host field.
pub(crate) fn is_authority(text: &str) -> bool {
    if let Some(rest) = text.strip_prefix('[') {
        let Some((address, port)) = rest.split_once(']') else { return false };
        return address.parse::<std::net::Ipv6Addr>().is_ok()
            && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port));
    }
    match text.split_once(':') {
        Some((host, port)) => hostname(host).is_some() && is_port(port),
        None => hostname(text).is_some(),
    }
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u16>().is_ok_and(|port| port > 0)
}

/// What a wildcard would have to be a wildcard of to match `host`: everything behind its first label.
pub(crate) fn parent(host: &[u8]) -> Option<&[u8]> {
    let dot = host.iter().position(|b| *b == b'.')?;
    let parent = &host[dot + 1..];
    (dot > 0 && !parent.is_empty()).then_some(parent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_folded_once_and_bad_ones_have_no_form() {
        assert_eq!(hostname("WWW.Example.com.").as_deref(), Some("www.example.com"));
        assert_eq!(hostname_or_wildcard("*.Example.com").as_deref(), Some("*.example.com"));
        let long = format!("{}.com", "a".repeat(64));
        for bad in
            ["", ".", "a..b", "-a.com", "a-.com", "*.*.com", "a.*.com", "*", "*.", "ä.com", "a b", &long]
        {
            assert_eq!(hostname_or_wildcard(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_host_override_cannot_carry_more_than_a_host() {
        for good in ["a.example.com", "a.example.com:8080", "192.0.2.1", "[2001:db8::1]", "[2001:db8::1]:80"]
        {
            assert!(is_authority(good), "{good:?}");
        }
        for bad in
            ["", "a:", "a:0", "a:+1", "a:65536", "a\r\nX: y", "a/b", "u@a", "[a]", "[2001:db8::1", "a:1:2"]
        {
            assert!(!is_authority(bad), "{bad:?}");
        }
    }

    #[test]
    fn a_parent_needs_a_label_before_it() {
        assert_eq!(parent(b"www.example.com"), Some(&b"example.com"[..]));
        assert_eq!(parent(b".example.com"), None);
        assert_eq!(parent(b"com"), None);
        assert_eq!(parent(b"com."), None);
    }
}
