//! One JSON line per request, written by the worker into its buffer. Field names: `docs/operate/access-log.md`.

use egressway_core::fleet::{Rung, Server};
use egressway_core::{Error, RequestHead};
use egressway_snapshot::ZoneEntry;
use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// What is learned about a request on its way.
pub struct Entry {
    pub began: Instant,
    pub zone: Option<Arc<ZoneEntry>>,
    pub egress: Option<SocketAddr>,
    pub rung: Rung,
    /// The server that the request left from, where that is another one.
    pub egress_server: Option<Arc<Server>>,
    /// The server that the client came to, where that is another one.
    pub ingress_server: Option<Box<str>>,
    pub origin: Option<SocketAddr>,
    pub origin_protocol: Option<&'static str>,
    pub is_reused: bool,
    pub is_coalesced: bool,
    pub attempts: u32,
    pub status: u16,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub waited: Duration,
    pub dial: Option<Duration>,
    pub tls: Option<Duration>,
    pub first_byte_at: Option<Instant>,
    pub error: Option<Error>,
}

impl Entry {
    pub fn begin() -> Self {
        Entry {
            began: Instant::now(),
            zone: None,
            egress: None,
            rung: Rung::Server,
            egress_server: None,
            ingress_server: None,
            origin: None,
            origin_protocol: None,
            is_reused: false,
            is_coalesced: false,
            attempts: 0,
            status: 0,
            bytes_in: 0,
            bytes_out: 0,
            waited: Duration::ZERO,
            dial: None,
            tls: None,
            first_byte_at: None,
            error: None,
        }
    }

    /// Appends the line. `request` is `None` where none could be read.
    pub fn write(
        &self,
        out: &mut Vec<u8>,
        request: Option<&RequestHead>,
        request_id: &[u8],
        server: &str,
        client: IpAddr,
        is_tls: bool,
    ) {
        let mut line = Line { out };
        line.begin();
        line.out.extend_from_slice(request_id);
        line.out.push(b'"');
        line.zone(self.zone.as_deref());
        line.address("client", client);
        self.write_request(&mut line, request);
        line.flag("tls", is_tls);
        line.number("status", self.status.into());
        line.error(self.error.as_ref());
        self.write_egress(&mut line, server);
        line.number("bytes_in", self.bytes_in);
        line.number("bytes_out", self.bytes_out);
        self.write_times(&mut line);
        line.out.extend_from_slice(b"}\n");
    }

    fn write_request(&self, line: &mut Line<'_>, request: Option<&RequestHead>) {
        if let Some(request) = request {
            line.text("method", request.method_bytes());
            line.text("host", request.host());
            line.text("path", request.target());
            line.text("client_protocol", request.version.as_str().as_bytes());
        }
    }

    fn write_egress(&self, line: &mut Line<'_>, server: &str) {
        match self.egress {
            Some(egress) => {
                line.address("egress_ip", egress.ip());
                line.number("egress_port", egress.port().into());
            }
            None => line.raw("egress_ip", b"null"),
        }
        if let Some(origin) = self.origin {
            line.socket("origin", origin);
        }
        if let Some(protocol) = self.origin_protocol {
            line.text("origin_protocol", protocol.as_bytes());
        }
        line.flag("reused", self.is_reused);
        line.flag("coalesced", self.is_coalesced);
        line.number("attempts", self.attempts.into());
        line.raw_text("rung", self.rung.as_str().as_bytes());
        line.text("ingress_server", self.ingress_server.as_deref().unwrap_or(server).as_bytes());
        let egress_server = self.egress_server.as_ref().map_or(server, |server| &server.name);
        line.text("egress_server", egress_server.as_bytes());
    }

    fn write_times(&self, line: &mut Line<'_>) {
        line.number("wait_us", micros(self.waited));
        if let Some(dial) = self.dial {
            line.number("dial_us", micros(dial));
        }
        if let Some(tls) = self.tls {
            line.number("tls_us", micros(tls));
        }
        if let Some(at) = self.first_byte_at {
            line.number("first_byte_us", micros(at.duration_since(self.began)));
        }
        line.number("total_us", micros(self.began.elapsed()));
    }
}

pub(crate) fn micros(duration: Duration) -> u64 {
    duration.as_micros() as u64
}

pub(crate) struct Line<'a> {
    pub out: &'a mut Vec<u8>,
}

impl Line<'_> {
    pub fn begin(&mut self) {
        self.out.extend_from_slice(b"{\"at\":\"");
        write_now(self.out);
        self.out.extend_from_slice(b"\",\"request_id\":\"");
    }

    pub fn key(&mut self, key: &str) {
        self.out.extend_from_slice(b",\"");
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    pub fn raw(&mut self, key: &str, value: &[u8]) {
        self.key(key);
        self.out.extend_from_slice(value);
    }

    /// Text that needs no escaping.
    pub fn raw_text(&mut self, key: &str, value: &[u8]) {
        self.key(key);
        self.out.push(b'"');
        self.out.extend_from_slice(value);
        self.out.push(b'"');
    }

    pub fn text(&mut self, key: &str, value: &[u8]) {
        self.key(key);
        self.out.push(b'"');
        write_escaped(self.out, value);
        self.out.push(b'"');
    }

    pub fn number(&mut self, key: &str, value: u64) {
        self.key(key);
        self.out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }

    pub fn flag(&mut self, key: &str, value: bool) {
        self.raw(key, if value { b"true" } else { b"false" });
    }

    pub fn zone(&mut self, zone: Option<&ZoneEntry>) {
        let Some(zone) = zone else {
            self.raw("zone", b"null");
            return self.raw("account", b"null");
        };
        self.text("zone", zone.id.as_bytes());
        self.text("account", zone.account.as_bytes());
    }

    pub fn error(&mut self, error: Option<&Error>) {
        let Some(error) = error else { return self.raw("error", b"null") };
        self.text("error", error.code.as_str().as_bytes());
        self.text("error_source", error.code.source().as_str().as_bytes());
        self.text("cause", error.cause.as_deref().unwrap_or_default().as_bytes());
    }

    pub fn address(&mut self, key: &str, ip: IpAddr) {
        self.key(key);
        self.out.push(b'"');
        write_ip(self.out, ip);
        self.out.push(b'"');
    }

    pub fn socket(&mut self, key: &str, address: SocketAddr) {
        self.key(key);
        self.out.push(b'"');
        let is_v6 = address.is_ipv6();
        if is_v6 {
            self.out.push(b'[');
        }
        write_ip(self.out, address.ip());
        self.out.extend_from_slice(if is_v6 { b"]:" } else { b":" });
        self.out.extend_from_slice(itoa::Buffer::new().format(address.port()).as_bytes());
        self.out.push(b'"');
    }
}

/// IPv4 by hand: the formatter of the standard library costs more than the rest of a line.
fn write_ip(out: &mut Vec<u8>, ip: IpAddr) {
    use std::io::Write;
    match ip {
        IpAddr::V4(ip) => {
            for (i, octet) in ip.octets().iter().enumerate() {
                if i > 0 {
                    out.push(b'.');
                }
                out.extend_from_slice(itoa::Buffer::new().format(*octet).as_bytes());
            }
        }
        IpAddr::V6(ip) => {
            let _ = write!(out, "{ip}");
        }
    }
}

/// JSON text. Bytes that are not UTF-8 are taken for Latin-1, so that every line is valid and nothing is lost.
fn write_escaped(out: &mut Vec<u8>, value: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let is_plain = |byte: &u8| (b' '..=b'~').contains(byte) && *byte != b'"' && *byte != b'\\';
    if value.iter().all(is_plain) {
        return out.extend_from_slice(value);
    }
    let text = std::str::from_utf8(value);
    for byte in value {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            0..0x20 | 0x7f => {
                let digits = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&digits);
            }
            0x80.. if text.is_err() => {
                let mut utf8 = [0; 4];
                out.extend_from_slice(char::from(*byte).encode_utf8(&mut utf8).as_bytes());
            }
            _ => out.push(*byte),
        }
    }
}

thread_local! {
    /// The second that was formatted last, and its text.
    static SECOND: RefCell<(u64, [u8; 19])> = const { RefCell::new((u64::MAX, [0; 19])) };
}

/// The current time as RFC 3339 in UTC with microseconds.
fn write_now(out: &mut Vec<u8>) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = now.as_secs();
    SECOND.with_borrow_mut(|(cached, text)| {
        if *cached != seconds {
            *text = format_second(seconds);
            *cached = seconds;
        }
        out.extend_from_slice(text);
    });
    let mut fraction = *b".000000Z";
    let mut rest = now.subsec_micros();
    for digit in fraction[1..7].iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    out.extend_from_slice(&fraction);
}

/// `2026-01-31T23:59:59`. Days to dates as in the proleptic Gregorian calendar with years that begin in March, so
/// that the leap day is the last.
fn format_second(seconds: u64) -> [u8; 19] {
    let (days, time) = (seconds / 86_400, seconds % 86_400);
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let mut text = *b"0000-00-00T00:00:00";
    let parts = [(0, 4, year), (5, 2, month), (8, 2, day)];
    let clock = [(11, 2, time / 3600), (14, 2, time / 60 % 60), (17, 2, time % 60)];
    for (at, width, mut value) in parts.into_iter().chain(clock) {
        for digit in text[at..at + width].iter_mut().rev() {
            *digit = b'0' + (value % 10) as u8;
            value /= 10;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_become_dates() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00"),
            (951_827_696, "2000-02-29T12:34:56"),
            (1_767_225_599, "2025-12-31T23:59:59"),
            (4_107_542_400, "2100-03-01T00:00:00"),
        ] {
            assert_eq!(format_second(seconds), text.as_bytes(), "{text}");
        }
    }

    #[test]
    fn any_bytes_become_valid_json_text() {
        let mut out = Vec::new();
        write_escaped(&mut out, b"a\"b\\c\n\x7f\xff");
        assert_eq!(out, "a\\\"b\\\\c\\u000a\\u007f\u{ff}".as_bytes());
        out.clear();
        write_escaped(&mut out, "stra\u{df}e\u{20ac}".as_bytes());
        assert_eq!(out, "stra\u{df}e\u{20ac}".as_bytes());
    }

    #[test]
    fn a_line_is_one_json_object() {
        let mut entry = Entry::begin();
        entry.error = Some(Error::because(egressway_core::Code::OriginRefused, "said \"no\""));
        entry.egress = Some(SocketAddr::from(([192, 0, 2, 1], 20_000)));
        entry.origin = "[2001:db8::1]:443".parse().ok();
        let mut out = Vec::new();
        entry.write(
            &mut out,
            Some(&RequestHead::default()),
            b"id",
            "server-1",
            IpAddr::from([203, 0, 113, 9]),
            true,
        );
        let text = String::from_utf8(out).expect("UTF-8");
        assert!(text.ends_with("}\n") && text.starts_with("{\"at\":\""), "{text}");
        assert!(text.contains("\"origin\":\"[2001:db8::1]:443\""), "{text}");
        assert!(text.contains("\"cause\":\"said \\\"no\\\"\""), "{text}");
        assert!(text.contains("\"egress_ip\":\"192.0.2.1\",\"egress_port\":20000"), "{text}");
    }
}
