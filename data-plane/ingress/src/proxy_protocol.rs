//! The header with which a load balancer in front tells whose connection it passes on: PROXY protocol, versions 1
//! and 2, as `doc/proxy-protocol.txt` of HAProxy defines it (`data-plane.md` section 9).
//!
//! Pure: bytes in, addresses out. Whether a listener expects a header, and from whom, is the listener's business.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A whole header of version 2 with all its TLVs, at most.
pub const MOST_BYTES: usize = 4096;

const V1_SIGNATURE: &[u8] = b"PROXY ";
/// The longest header of version 1, its line end included.
const V1_MOST_BYTES: usize = 107;
const V2_SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family, length.
const V2_FIXED_BYTES: usize = 16;
/// The TLV that holds a checksum of the whole header.
const TYPE_CRC32C: u8 = 0x03;

/// Whose connection it is. Both are `None` when the sender speaks for itself (a health check) or does not know:
/// then the connection's own addresses hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Header {
    pub source: Option<SocketAddr>,
    pub destination: Option<SocketAddr>,
}

/// Why a connection that has to begin with a header cannot be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyProtocolError {
    /// Neither version's signature.
    Missing,
    /// Longer than its version allows, or than we read.
    TooLong,
    /// The signature is right and the rest breaks the protocol.
    Malformed,
    /// Well-formed, but not a TCP connection over IP.
    Unsupported,
    /// The checksum it carries is not its own.
    Checksum,
}

impl fmt::Display for ProxyProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ProxyProtocolError::Missing => "no PROXY protocol header",
            ProxyProtocolError::TooLong => "PROXY protocol header too long",
            ProxyProtocolError::Malformed => "malformed PROXY protocol header",
            ProxyProtocolError::Unsupported => {
                "PROXY protocol header of a connection that is not TCP over IP"
            }
            ProxyProtocolError::Checksum => "PROXY protocol header with a wrong checksum",
        })
    }
}

impl std::error::Error for ProxyProtocolError {}

use ProxyProtocolError::{Checksum, Malformed, Missing, TooLong, Unsupported};

/// Reads the header that begins `buf`. `Ok(None)`: more bytes are needed. `Ok(Some((n, header)))`: `n` bytes are
/// consumed, and what follows is the client's.
///
/// # Errors
/// As soon as `buf` cannot become a header that is acceptable.
pub fn parse(buf: &[u8]) -> Result<Option<(usize, Header)>, ProxyProtocolError> {
    if begins(buf, V2_SIGNATURE) {
        return if buf.len() < V2_FIXED_BYTES { check_v2_start(buf) } else { parse_v2(buf) };
    }
    if begins(buf, V1_SIGNATURE) {
        return parse_v1(buf);
    }
    Err(Missing)
}

/// `buf` begins with `signature`, as far as it has arrived.
fn begins(buf: &[u8], signature: &[u8]) -> bool {
    let length = buf.len().min(signature.len());
    buf[..length] == signature[..length]
}

// === Version 1: one line of text ===

fn parse_v1(buf: &[u8]) -> Result<Option<(usize, Header)>, ProxyProtocolError> {
    let window = &buf[..buf.len().min(V1_MOST_BYTES)];
    let Some(lf) = window.iter().position(|byte| *byte == b'\n') else {
        return if window.len() < V1_MOST_BYTES { Ok(None) } else { Err(TooLong) };
    };
    let line =
        window[..lf].strip_suffix(b"\r").and_then(|line| line.strip_prefix(V1_SIGNATURE)).ok_or(Malformed)?;
    let line = std::str::from_utf8(line).map_err(|_| Malformed)?;
    // Whoever does not know may say whatever it likes about the addresses.
    if line == "UNKNOWN" || line.starts_with("UNKNOWN ") {
        return Ok(Some((lf + 1, Header::default())));
    }
    let mut words = line.split(' ');
    let family = words.next();
    let mut next = || words.next().ok_or(Malformed);
    let (source, destination) = (parse_ip(family, next()?)?, parse_ip(family, next()?)?);
    let (source_port, destination_port) = (parse_port(next()?)?, parse_port(next()?)?);
    if words.next().is_some() {
        return Err(Malformed);
    }
    let header = Header {
        source: Some(SocketAddr::new(source, source_port)),
        destination: Some(SocketAddr::new(destination, destination_port)),
    };
    Ok(Some((lf + 1, header)))
}

fn parse_ip(family: Option<&str>, word: &str) -> Result<IpAddr, ProxyProtocolError> {
    match family {
        Some("TCP4") => word.parse::<Ipv4Addr>().map(IpAddr::V4).map_err(|_| Malformed),
        Some("TCP6") => word.parse::<Ipv6Addr>().map(IpAddr::V6).map_err(|_| Malformed),
        _ => Err(Malformed),
    }
}

/// Decimal digits without a sign or needless zeros.
fn parse_port(word: &str) -> Result<u16, ProxyProtocolError> {
    let is_plain = word.bytes().all(|byte| byte.is_ascii_digit()) && (word == "0" || !word.starts_with('0'));
    if is_plain { word.parse().map_err(|_| Malformed) } else { Err(Malformed) }
}

// === Version 2: binary ===

/// What has arrived of the fixed part; its first byte behind the signature tells the version and the command.
fn check_v2_start(buf: &[u8]) -> Result<Option<(usize, Header)>, ProxyProtocolError> {
    match buf.get(V2_SIGNATURE.len()) {
        None | Some(0x20 | 0x21) => Ok(None),
        Some(_) => Err(Malformed),
    }
}

fn parse_v2(buf: &[u8]) -> Result<Option<(usize, Header)>, ProxyProtocolError> {
    let (command, family) = (buf[12], buf[13]);
    let length = V2_FIXED_BYTES + usize::from(u16::from_be_bytes([buf[14], buf[15]]));
    // For LOCAL and for an unspecified family the rest is to be skipped, whatever it is.
    let addresses = match (command, family) {
        (0x20, _) | (0x21, 0x00) => None,
        (0x21, 0x11) => Some(4),
        (0x21, 0x21) => Some(16),
        (0x21, 0x12 | 0x22 | 0x31 | 0x32) => return Err(Unsupported),
        _ => return Err(Malformed),
    };
    if length > MOST_BYTES {
        return Err(TooLong);
    }
    let Some(ip_bytes) = addresses else {
        return Ok((buf.len() >= length).then(|| (length, Header::default())));
    };
    let tlvs_at = V2_FIXED_BYTES + 2 * ip_bytes + 4;
    if length < tlvs_at {
        return Err(Malformed);
    }
    let Some(header) = buf.get(..length) else { return Ok(None) };
    check_tlvs(header, tlvs_at)?;
    let (ips, ports) = header[V2_FIXED_BYTES..tlvs_at].split_at(2 * ip_bytes);
    let (source, destination) = ips.split_at(ip_bytes);
    let header = Header {
        source: Some(SocketAddr::new(ip(source)?, u16::from_be_bytes([ports[0], ports[1]]))),
        destination: Some(SocketAddr::new(ip(destination)?, u16::from_be_bytes([ports[2], ports[3]]))),
    };
    Ok(Some((length, header)))
}

fn ip(bytes: &[u8]) -> Result<IpAddr, ProxyProtocolError> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    let v6 = <[u8; 16]>::try_from(bytes).map(IpAddr::from);
    v4.or(v6).map_err(|_| Malformed)
}

/// The TLVs fill `header` to its last byte; a checksum among them is right.
fn check_tlvs(header: &[u8], mut at: usize) -> Result<(), ProxyProtocolError> {
    let mut checksum_at = None;
    while at < header.len() {
        let [kind, high, low, ..] = header[at..] else { return Err(Malformed) };
        let value = at + 3;
        at = value + usize::from(u16::from_be_bytes([high, low]));
        if at > header.len() {
            return Err(Malformed);
        }
        if kind == TYPE_CRC32C && (at - value != 4 || checksum_at.replace(value).is_some()) {
            return Err(Malformed);
        }
    }
    match checksum_at {
        Some(at) if header[at..at + 4] != crc32c_without(header, at).to_be_bytes() => Err(Checksum),
        _ => Ok(()),
    }
}

/// CRC-32C (RFC 3720 appendix B.4) of `header` with the four bytes at `at` taken for zeros.
fn crc32c_without(header: &[u8], at: usize) -> u32 {
    let bytes = header[..at].iter().chain(&[0; 4]).chain(&header[at + 4..]);
    !bytes.fold(!0, |crc: u32, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(source: &str, destination: &str) -> Header {
        let address = |text: &str| Some(text.parse().expect("an address"));
        Header { source: address(source), destination: address(destination) }
    }

    /// A header of version 2; its length is that of `payload`.
    fn v2(command: u8, family: u8, payload: &[u8]) -> Vec<u8> {
        let length = u16::try_from(payload.len()).expect("short").to_be_bytes();
        [V2_SIGNATURE.as_slice(), &[command, family], &length, payload].concat()
    }

    const V4: [u8; 12] = [192, 0, 2, 1, 198, 51, 100, 2, 0x30, 0x39, 0x01, 0xbb];

    fn v6() -> Vec<u8> {
        let mut payload = [0; 36];
        payload[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
        payload[15] = 1;
        payload[16..20].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
        payload[31] = 2;
        payload[32..].copy_from_slice(&[0x30, 0x39, 0x01, 0xbb]);
        payload.to_vec()
    }

    /// TCP4 with a right checksum between two other TLVs.
    fn with_checksum() -> Vec<u8> {
        let tlvs = [0x04, 0, 2, 0, 0, TYPE_CRC32C, 0, 4, 0, 0, 0, 0, 0x05, 0, 1, 7];
        let mut bytes = v2(0x21, 0x11, &[V4.as_slice(), &tlvs].concat());
        let at = V2_FIXED_BYTES + V4.len() + 8;
        let checksum = crc32c_without(&bytes, at).to_be_bytes();
        bytes[at..at + 4].copy_from_slice(&checksum);
        bytes
    }

    fn good() -> Vec<(Vec<u8>, Header)> {
        let v4 = header("192.0.2.1:12345", "198.51.100.2:443");
        let v6_header = header("[2001:db8::1]:12345", "[2001:db8::2]:443");
        let longest = format!("PROXY UNKNOWN {} {} 65535 65535\r\n", "f".repeat(39), "f".repeat(39));
        assert_eq!(longest.len(), V1_MOST_BYTES);
        vec![
            (b"PROXY TCP4 192.0.2.1 198.51.100.2 12345 443\r\n".to_vec(), v4),
            (b"PROXY TCP6 2001:db8::1 2001:db8::2 12345 443\r\n".to_vec(), v6_header),
            (
                b"PROXY TCP4 192.0.2.1 198.51.100.2 0 65535\r\n".to_vec(),
                header("192.0.2.1:0", "198.51.100.2:65535"),
            ),
            (b"PROXY UNKNOWN\r\n".to_vec(), Header::default()),
            (b"PROXY UNKNOWN what ever\r\n".to_vec(), Header::default()),
            (longest.into_bytes(), Header::default()),
            (v2(0x21, 0x11, &V4), v4),
            (v2(0x21, 0x21, &v6()), v6_header),
            (v2(0x21, 0x11, &[V4.as_slice(), &[0x04, 0, 1, 9], &[0xee, 0, 0]].concat()), v4),
            (with_checksum(), v4),
            (v2(0x20, 0x00, &[]), Header::default()),
            (v2(0x20, 0x11, &V4), Header::default()),
            (v2(0x20, 0x31, &[0; 216]), Header::default()),
            (v2(0x21, 0x00, &[1, 2, 3]), Header::default()),
            (v2(0x21, 0x00, &[0; MOST_BYTES - V2_FIXED_BYTES]), Header::default()),
        ]
    }

    fn bad() -> Vec<(Vec<u8>, ProxyProtocolError)> {
        let text = |line: &str| line.as_bytes().to_vec();
        let mut lines: Vec<_> = [
            "PROXY TCP4 192.0.2.1 198.51.100.2 12345 443\n",
            "PROXY TCP4 192.0.2.1 198.51.100.2 12345 443 \r\n",
            "PROXY TCP4  192.0.2.1 198.51.100.2 12345 443\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.2 12345\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.2 12345 443 1\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.2 12345 65536\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.2 +1 443\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.2 01 443\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.2  443\r\n",
            "PROXY TCP4 192.0.2 198.51.100.2 12345 443\r\n",
            "PROXY TCP4 192.0.2.01 198.51.100.2 12345 443\r\n",
            "PROXY TCP4 2001:db8::1 2001:db8::2 12345 443\r\n",
            "PROXY TCP6 192.0.2.1 198.51.100.2 12345 443\r\n",
            "PROXY TCP6 [2001:db8::1] 2001:db8::2 12345 443\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.2 12345 443\r\r\n",
            "PROXY UDP4 192.0.2.1 198.51.100.2 12345 443\r\n",
            "PROXY tcp4 192.0.2.1 198.51.100.2 12345 443\r\n",
            "PROXY UNKNOWNS\r\n",
            "PROXY \r\n",
            "PROXY \u{e4}\r\n",
        ]
        .map(|line| (text(line), Malformed))
        .to_vec();
        let mut wrong_checksum = with_checksum();
        wrong_checksum[V2_FIXED_BYTES] ^= 1;
        let too_long = [V2_SIGNATURE.as_slice(), &[0x21, 0x11], &4081_u16.to_be_bytes()].concat();
        let checksum = [TYPE_CRC32C, 0, 4, 0, 0, 0, 0];
        lines.extend([
            (text("GET / HTTP/1.1\r\n"), Missing),
            (text("proxy TCP4 192.0.2.1 198.51.100.2 12345 443\r\n"), Missing),
            (text("PROXYTCP4 192.0.2.1"), Missing),
            (vec![0x16, 0x03, 0x01], Missing),
            (text(&format!("PROXY UNKNOWN {}\r\n", "f".repeat(92))), TooLong),
            (text(&format!("PROXY {}", "f".repeat(101))), TooLong),
            (too_long, TooLong),
            (v2(0x22, 0x11, &V4), Malformed),
            (v2(0x11, 0x11, &V4), Malformed),
            (v2(0x31, 0x11, &V4), Malformed),
            (v2(0x21, 0x41, &V4), Malformed),
            (v2(0x21, 0x13, &V4), Malformed),
            (v2(0x21, 0x01, &V4), Malformed),
            (v2(0x21, 0x11, &V4[..11]), Malformed),
            (v2(0x21, 0x21, &V4), Malformed),
            (v2(0x21, 0x11, &[V4.as_slice(), &[0x04]].concat()), Malformed),
            (v2(0x21, 0x11, &[V4.as_slice(), &[0x04, 0]].concat()), Malformed),
            (v2(0x21, 0x11, &[V4.as_slice(), &[0x04, 0, 2, 0]].concat()), Malformed),
            (v2(0x21, 0x11, &[V4.as_slice(), &[0x04, 0xff, 0xff, 0]].concat()), Malformed),
            (v2(0x21, 0x11, &[V4.as_slice(), &[TYPE_CRC32C, 0, 3, 0, 0, 0]].concat()), Malformed),
            (v2(0x21, 0x11, &[V4.as_slice(), &checksum, &checksum].concat()), Malformed),
            (v2(0x21, 0x12, &V4), Unsupported),
            (v2(0x21, 0x22, &v6()), Unsupported),
            (v2(0x21, 0x31, &[0; 216]), Unsupported),
            (v2(0x21, 0x32, &[0; 216]), Unsupported),
            (v2(0x21, 0x11, &[V4.as_slice(), &checksum].concat()), Checksum),
            (wrong_checksum, Checksum),
        ]);
        lines
    }

    #[test]
    fn good_headers_are_understood_and_leave_what_follows() {
        for (bytes, header) in good() {
            let followed = [bytes.as_slice(), b"GET / HTTP/1.1\r\n"].concat();
            assert_eq!(parse(&followed), Ok(Some((bytes.len(), header))), "{bytes:02x?}");
        }
    }

    #[test]
    fn a_header_that_has_not_arrived_whole_is_waited_for() {
        for (bytes, header) in good() {
            for end in 0..bytes.len() {
                assert_eq!(parse(&bytes[..end]), Ok(None), "{end} of {bytes:02x?}");
            }
            assert_eq!(parse(&bytes), Ok(Some((bytes.len(), header))));
        }
    }

    #[test]
    fn bad_headers_are_refused_however_they_arrive() {
        for (bytes, error) in bad() {
            assert_eq!(parse(&bytes), Err(error), "{bytes:02x?}");
            let first = (0..=bytes.len()).map(|end| parse(&bytes[..end])).find(|answer| *answer != Ok(None));
            assert_eq!(first, Some(Err(error)), "{bytes:02x?}");
        }
    }

    #[test]
    fn the_checksum_is_the_known_one() {
        // RFC 3720 appendix B.4: 32 bytes of zeros.
        assert_eq!(crc32c_without(&[0; 32], 0), 0x8a91_36aa);
    }

    #[test]
    fn every_flipped_bit_of_addresses_and_values_is_noticed() {
        let bytes = with_checksum();
        let tlvs_at = V2_FIXED_BYTES + V4.len();
        let values = [tlvs_at + 3..tlvs_at + 5, tlvs_at + 8..tlvs_at + 12, tlvs_at + 15..tlvs_at + 16];
        for at in (V2_FIXED_BYTES..tlvs_at).chain(values.into_iter().flatten()) {
            for bit in 0..8 {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << bit;
                assert_eq!(parse(&flipped), Err(Checksum), "bit {bit} of byte {at}");
            }
        }
    }

    #[test]
    fn random_bytes_are_survived() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        for _ in 0..20_000 {
            let random: Vec<u8> = (0..next() % 64).map(|_| next() as u8).collect();
            let (mut seed, _) = good().swap_remove(next() as usize % 10);
            let at = next() as usize % seed.len();
            seed[at] = next() as u8;
            for bytes in [random.clone(), v2(0x21, 0x11, &random), seed] {
                if let Ok(Some((consumed, _))) = parse(&bytes) {
                    assert!(consumed <= bytes.len());
                }
            }
        }
    }
}
