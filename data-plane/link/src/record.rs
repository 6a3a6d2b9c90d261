//! What two servers tell each other about a request: records ahead of its body, and one behind it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use egressway_core::record::{Reader, write_text};
use egressway_core::side::{Leg, Outbound};
use egressway_core::{Code, Fields, RequestHead, ResponseHead};
use http::{HeaderMap, HeaderName, HeaderValue};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Bytes of a record, at most: a head and its spans.
pub(crate) const MOST_BYTES: usize = 1 << 20;
/// Length and kind.
pub(crate) const PREFIX: usize = 5;
/// The field of a stream's trailers that the last record travels in.
const TRAILER: HeaderName = HeaderName::from_static("egressway-link");

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// To the egress server, first on its stream: an HTTP request.
    Request = 1,
    /// The request has a connection: its body may come, and goes to the origin at once.
    Ready = 2,
    /// A 1xx response.
    Interim = 3,
    /// The response; its body follows.
    Response = 4,
    /// The response that opened a tunnel; its bytes follow.
    Tunnel = 5,
    /// There is no response, or its body was cut short.
    Failed = 6,
    /// Fields behind the body.
    Trailers = 7,
    /// To a server of the region, first on its stream: a client's connection. Its bytes follow the answer `Ready`.
    Passed = 8,
}

impl Kind {
    pub fn of(byte: u8) -> Option<Kind> {
        use Kind::*;
        [Request, Ready, Interim, Response, Tunnel, Failed, Trailers, Passed]
            .into_iter()
            .find(|kind| *kind as u8 == byte)
    }
}

/// Appends a record whose content `write` appends.
pub(crate) fn write_record(out: &mut Vec<u8>, kind: Kind, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    out.push(kind as u8);
    write(out);
    let length = (out.len() - start - 4) as u32;
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
}

/// The same record as the trailers of a stream.
pub(crate) fn trailers(kind: Kind, write: impl FnOnce(&mut Vec<u8>)) -> HeaderMap {
    let mut content = vec![kind as u8];
    write(&mut content);
    let mut map = HeaderMap::with_capacity(1);
    // Base64 is made of characters that a value may have.
    if let Ok(value) = HeaderValue::try_from(STANDARD.encode(content)) {
        map.insert(TRAILER, value);
    }
    map
}

pub(crate) fn read_trailers(map: &HeaderMap) -> Option<(Kind, Vec<u8>)> {
    let mut content = STANDARD.decode(map.get(TRAILER)?.as_bytes()).ok()?;
    let kind = Kind::of(*content.first()?)?;
    content.remove(0);
    Some((kind, content))
}

/// What the egress server has to know about a request beside its head. Zone and origin are looked up in its own
/// tables; what is said of the client was decided where the client came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub zone: Box<str>,
    pub origin: SocketAddr,
    /// When every port is taken, wait for one; otherwise another server may have one.
    pub may_wait: bool,
    /// The client came over TLS.
    pub is_tls: bool,
    pub request_id: [u8; 32],
    pub forwarded_for: Box<[u8]>,
    pub forwarded: Box<[u8]>,
    pub cdn_loop: Box<[u8]>,
}

/// A call to be written: what stays the same while several servers are asked, and what the request says.
#[derive(Debug, Clone, Copy)]
pub struct Calling<'a> {
    pub zone: &'a str,
    pub origin: SocketAddr,
    pub may_wait: bool,
}

pub(crate) fn write_call(
    out: &mut Vec<u8>,
    calling: &Calling<'_>,
    outbound: &Outbound<'_>,
    head: &RequestHead,
) {
    write_record(out, Kind::Request, |out| {
        write_text(out, calling.zone.as_bytes());
        write_socket(out, calling.origin);
        out.push(u8::from(calling.may_wait));
        out.push(u8::from(outbound.forwarded_proto == b"https"));
        write_text(out, outbound.request_id);
        write_text(out, outbound.forwarded_for);
        write_text(out, outbound.forwarded);
        write_text(out, outbound.cdn_loop);
        head.write_to(out);
    });
}

pub(crate) fn read_call(content: &[u8], head: &mut RequestHead) -> Option<Call> {
    let from = &mut Reader::new(content);
    let call = Call {
        zone: std::str::from_utf8(from.text()?).ok()?.into(),
        origin: read_socket(from)?,
        may_wait: from.flag()?,
        is_tls: from.flag()?,
        request_id: from.text()?.try_into().ok()?,
        forwarded_for: from.text()?.into(),
        forwarded: from.text()?.into(),
        cdn_loop: from.text()?.into(),
    };
    head.read_from(from)?;
    Some(call)
}

/// Why the egress server has no response to give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// `None`: it knows no such zone or origin; its tables are not those of the asking server.
    pub code: Option<Code>,
    /// Nothing of the request has gone to an origin.
    pub is_untouched: bool,
    /// Connections tried.
    pub attempts: u32,
    pub cause: Box<str>,
    pub leg: Option<Leg>,
}

impl Failed {
    pub(crate) fn write_to(&self, out: &mut Vec<u8>) {
        write_text(out, self.code.map_or("", Code::as_str).as_bytes());
        out.push(u8::from(self.is_untouched));
        out.extend_from_slice(&self.attempts.to_be_bytes());
        write_text(out, self.cause.as_bytes());
        write_leg(out, self.leg.as_ref());
    }

    pub(crate) fn read(content: &[u8]) -> Option<Failed> {
        let from = &mut Reader::new(content);
        let name = from.text()?;
        Some(Failed {
            // A code that only a newer build knows is a fault whose kind is unknown here.
            code: (!name.is_empty()).then(|| Code::named(name).unwrap_or(Code::Internal)),
            is_untouched: from.flag()?,
            attempts: from.u32()?,
            cause: String::from_utf8_lossy(from.text()?).into(),
            leg: read_leg(from)?,
        })
    }
}

pub(crate) fn write_response(out: &mut Vec<u8>, kind: Kind, leg: Option<&Leg>, head: &ResponseHead) {
    write_record(out, kind, |out| {
        write_leg(out, leg);
        head.write_to(out);
    });
}

pub(crate) fn read_response(content: &[u8], head: &mut ResponseHead) -> Option<Option<Leg>> {
    let from = &mut Reader::new(content);
    let leg = read_leg(from)?;
    head.read_from(from)?;
    Some(leg)
}

pub(crate) fn read_fields(content: &[u8], into: &mut Fields) -> Option<()> {
    into.read_from(&mut Reader::new(content))
}

fn write_leg(out: &mut Vec<u8>, leg: Option<&Leg>) {
    out.push(u8::from(leg.is_some()));
    let Some(leg) = leg else { return };
    write_socket(out, leg.egress);
    write_text(out, leg.protocol.as_bytes());
    out.push(u8::from(leg.is_reused));
    out.push(u8::from(leg.is_coalesced));
    out.extend_from_slice(&leg.attempts.to_be_bytes());
    out.extend_from_slice(&micros(leg.waited).to_be_bytes());
    for time in [leg.dial, leg.tls] {
        out.extend_from_slice(&time.map_or(u64::MAX, micros).to_be_bytes());
    }
}

/// `None`: no leg was written; `Some(None)`: that there is none.
fn read_leg(from: &mut Reader<'_>) -> Option<Option<Leg>> {
    if !from.flag()? {
        return Some(None);
    }
    Some(Some(Leg {
        egress: read_socket(from)?,
        protocol: if from.text()? == b"h2" { "h2" } else { "http/1.1" },
        is_reused: from.flag()?,
        is_coalesced: from.flag()?,
        attempts: from.u32()?,
        waited: Duration::from_micros(from.u64()?),
        dial: read_time(from)?,
        tls: read_time(from)?,
    }))
}

fn micros(time: Duration) -> u64 {
    time.as_micros() as u64
}

fn read_time(from: &mut Reader<'_>) -> Option<Option<Duration>> {
    let micros = from.u64()?;
    Some((micros != u64::MAX).then(|| Duration::from_micros(micros)))
}

fn write_socket(out: &mut Vec<u8>, address: SocketAddr) {
    match address.ip() {
        IpAddr::V4(ip) => write_text(out, &ip.octets()),
        IpAddr::V6(ip) => write_text(out, &ip.octets()),
    }
    out.extend_from_slice(&address.port().to_be_bytes());
}

fn read_socket(from: &mut Reader<'_>) -> Option<SocketAddr> {
    let octets = from.text()?;
    let v4 = <[u8; 4]>::try_from(octets).map(IpAddr::from);
    let ip = v4.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from)).ok()?;
    Some(SocketAddr::new(ip, from.u16()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leg() -> Leg {
        Leg {
            egress: "192.0.2.1:20000".parse().expect("address"),
            protocol: "h2",
            is_reused: true,
            is_coalesced: true,
            attempts: 3,
            waited: Duration::from_micros(7),
            dial: Some(Duration::from_millis(2)),
            tls: None,
        }
    }

    #[test]
    fn a_failure_arrives_whole_ahead_of_a_body_and_behind_it() {
        let failed = Failed {
            code: Some(Code::OriginClosed),
            is_untouched: true,
            attempts: 2,
            cause: "reset".into(),
            leg: Some(leg()),
        };
        let map = trailers(Kind::Failed, |out| failed.write_to(out));
        let (kind, content) = read_trailers(&map).expect("a record");
        assert_eq!((kind, Failed::read(&content)), (Kind::Failed, Some(failed.clone())));
        let unknown = Failed { code: None, leg: None, ..failed };
        let mut content = Vec::new();
        unknown.write_to(&mut content);
        assert_eq!(Failed::read(&content), Some(unknown));
        for end in 0..content.len() {
            assert_eq!(Failed::read(&content[..end]), None);
        }
    }

    #[test]
    fn a_code_of_a_newer_build_is_a_fault() {
        let mut content = Vec::new();
        write_text(&mut content, b"not_invented_yet");
        content.extend_from_slice(&[0; 10]);
        assert_eq!(Failed::read(&content).and_then(|failed| failed.code), Some(Code::Internal));
    }

    #[test]
    fn a_call_arrives_with_its_request() {
        let mut head = RequestHead::default();
        head.set_method(b"GET");
        head.set_authority(b"www.example.com", b"www.example.com");
        let outbound = Outbound {
            host: b"unused",
            forwarded_for: b"192.0.2.7",
            forwarded_proto: b"https",
            forwarded: b"for=192.0.2.7",
            request_id: &[b'a'; 32],
            cdn_loop: b"egressway-1",
        };
        let origin = "[2001:db8::1]:443".parse().expect("address");
        let mut bytes = Vec::new();
        write_call(&mut bytes, &Calling { zone: "z1", origin, may_wait: true }, &outbound, &head);
        assert_eq!(bytes[..4], ((bytes.len() - 4) as u32).to_be_bytes());
        let mut read = RequestHead::default();
        let call = read_call(&bytes[PREFIX..], &mut read).expect("a call");
        assert_eq!((&*call.zone, call.origin, call.may_wait, call.is_tls), ("z1", origin, true, true));
        assert_eq!((&*call.forwarded_for, &*call.cdn_loop), (&b"192.0.2.7"[..], &b"egressway-1"[..]));
        assert_eq!(read.host(), b"www.example.com");
    }
}
