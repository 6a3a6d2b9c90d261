//! What the proxy says about the client in every request it passes on: never what the client says of itself.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use egressway_core::side::Outbound;
use egressway_core::{FieldName, RequestHead};
use egressway_ingress::ConnectionInfo;
use egressway_link::Call;
use memchr::memmem;
use std::cell::Cell;
use std::io::Write;
use std::net::IpAddr;
use std::ops::Range;
use std::sync::LazyLock;

/// 32 lower-case hexadecimal characters.
pub type RequestId = [u8; 32];

thread_local! {
    /// State of this worker's generator: unpredictable start, distinct values; ids are names, not secrets.
    static STATE: Cell<u64> = Cell::new(seed());
}

fn seed() -> u64 {
    let mut bytes = [0; 8];
    match getrandom::fill(&mut bytes) {
        Ok(()) => u64::from_le_bytes(bytes),
        Err(_) => std::process::id().into(),
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): every value of the state occurs once in 2^64 calls.
fn next() -> u64 {
    STATE.with(|state| {
        let now = state.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        state.set(now);
        let mixed = (now ^ (now >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    })
}

pub fn new_request_id() -> RequestId {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut id = [0; 32];
    for (half, chunk) in id.chunks_exact_mut(16).enumerate() {
        let bits = next().rotate_left(half as u32);
        for (i, digit) in chunk.iter_mut().enumerate() {
            *digit = HEX[(bits >> (4 * i)) as usize & 15];
        }
    }
    id
}

/// A key for the opening of a WebSocket towards an origin (RFC 6455 section 4.1); `None` without randomness.
pub fn new_websocket_key() -> Option<[u8; 24]> {
    let mut nonce = [0; 16];
    getrandom::fill(&mut nonce).ok()?;
    let mut key = [0; 24];
    STANDARD.encode_slice(nonce, &mut key).ok()?;
    Some(key)
}

/// This process's name in `CDN-Loop`. Drawn at start: another installation in the chain must not be taken for us.
static LOOP_MARK: LazyLock<Box<[u8]>> = LazyLock::new(|| {
    let id = new_request_id();
    [b"egressway-", &id[..16]].concat().into()
});

/// We have passed the request on before (RFC 8586).
pub fn is_loop(request: &RequestHead) -> bool {
    request.fields.has(FieldName::CdnLoop)
        && request.fields.get_all(FieldName::CdnLoop).any(|value| memmem::find(value, &LOOP_MARK).is_some())
}

/// The values of the forwarding fields, in one buffer.
pub struct Forwarded {
    cdn_loop: Range<usize>,
    buffer: Vec<u8>,
    forwarded_for: Range<usize>,
    forwarded: Range<usize>,
    is_tls: bool,
}

impl Forwarded {
    /// `keep`: the client is a proxy whose word on earlier hops is taken (`trusted_clients`).
    pub fn new(request: &RequestHead, connection: &ConnectionInfo, keep: bool) -> Self {
        let client = connection.client.ip().to_canonical();
        let mut buffer = Vec::with_capacity(192);
        for value in request.fields.get_all(FieldName::CdnLoop) {
            buffer.extend_from_slice(value);
            buffer.extend_from_slice(b", ");
        }
        buffer.extend_from_slice(&LOOP_MARK);
        let cdn_loop = 0..buffer.len();
        for value in request.fields.get_all(FieldName::XForwardedFor).filter(|_| keep) {
            buffer.extend_from_slice(value);
            buffer.extend_from_slice(b", ");
        }
        write_ip(&mut buffer, client, false);
        let forwarded_for = cdn_loop.end..buffer.len();
        for value in request.fields.get_all(FieldName::Forwarded).filter(|_| keep) {
            buffer.extend_from_slice(value);
            buffer.extend_from_slice(b", ");
        }
        buffer.extend_from_slice(b"for=");
        write_ip(&mut buffer, client, true);
        buffer.extend_from_slice(if connection.is_tls {
            b";proto=https;host=\""
        } else {
            b";proto=http;host=\""
        });
        buffer.extend_from_slice(request.authority());
        buffer.push(b'"');
        let forwarded = forwarded_for.end..buffer.len();
        Forwarded { cdn_loop, buffer, forwarded_for, forwarded, is_tls: connection.is_tls }
    }

    /// As the server has said that the request came to.
    pub fn given(call: &Call) -> Self {
        let buffer = [&*call.cdn_loop, &call.forwarded_for, &call.forwarded].concat();
        let cdn_loop = 0..call.cdn_loop.len();
        let forwarded_for = cdn_loop.end..cdn_loop.end + call.forwarded_for.len();
        let forwarded = forwarded_for.end..buffer.len();
        Forwarded { cdn_loop, buffer, forwarded_for, forwarded, is_tls: call.is_tls }
    }

    pub fn outbound<'a>(&'a self, host: &'a [u8], request_id: &'a RequestId) -> Outbound<'a> {
        Outbound {
            host,
            forwarded_for: &self.buffer[self.forwarded_for.clone()],
            forwarded_proto: if self.is_tls { b"https" } else { b"http" },
            forwarded: &self.buffer[self.forwarded.clone()],
            request_id,
            cdn_loop: &self.buffer[self.cdn_loop.clone()],
        }
    }
}

/// RFC 7239 section 6 wants an IPv6 address in brackets and quotes.
fn write_ip(buffer: &mut Vec<u8>, ip: IpAddr, is_rfc7239: bool) {
    let _ = match ip {
        IpAddr::V6(ip) if is_rfc7239 => write!(buffer, "\"[{ip}]\""),
        ip => write!(buffer, "{ip}"),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(client: &str) -> ConnectionInfo {
        ConnectionInfo::direct(client.parse().expect("address"), true)
    }

    #[test]
    fn ids_differ() {
        let ids: std::collections::HashSet<_> = (0..10_000).map(|_| new_request_id()).collect();
        assert_eq!(ids.len(), 10_000);
    }

    #[test]
    fn a_clients_own_claims_are_replaced_unless_it_is_trusted() {
        let mut request = RequestHead::default();
        request.set_authority(b"www.example.com", b"www.example.com");
        request.fields.push(b"X-Forwarded-For", b"203.0.113.9");
        let id = new_request_id();
        let distrusted = Forwarded::new(&request, &connection("192.0.2.7:1"), false);
        assert_eq!(distrusted.outbound(b"h", &id).forwarded_for, b"192.0.2.7");
        let trusted = Forwarded::new(&request, &connection("192.0.2.7:1"), true);
        assert_eq!(trusted.outbound(b"h", &id).forwarded_for, b"203.0.113.9, 192.0.2.7");
    }

    #[test]
    fn a_request_that_we_have_passed_on_is_recognised() {
        let mut request = RequestHead::default();
        request.fields.push(b"CDN-Loop", b"other.example.com");
        assert!(!is_loop(&request));
        let forwarded = Forwarded::new(&request, &connection("192.0.2.7:1"), false);
        let id = new_request_id();
        let value = forwarded.outbound(b"h", &id).cdn_loop;
        assert!(value.starts_with(b"other.example.com, egressway-"));
        let mut again = RequestHead::default();
        again.fields.push(b"CDN-Loop", value);
        assert!(is_loop(&again));
    }

    #[test]
    fn ipv6_is_quoted_where_the_rfc_wants_it() {
        let mut request = RequestHead::default();
        request.set_authority(b"www.example.com", b"www.example.com");
        let id = new_request_id();
        let forwarded = Forwarded::new(&request, &connection("[2001:db8::1]:1"), false);
        let outbound = forwarded.outbound(b"h", &id);
        assert_eq!(outbound.forwarded, b"for=\"[2001:db8::1]\";proto=https;host=\"www.example.com\"");
        assert_eq!(outbound.forwarded_for, b"2001:db8::1");
    }
}
