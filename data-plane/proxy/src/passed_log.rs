//! The log line of a connection that was passed on to a server of its host's region, or that nobody took. What was asked
//! over it is logged there; here nobody knows.

use crate::access_log::{Line, micros};
use egressway_core::Error;
use egressway_core::fleet::Server;
use egressway_ingress::PassedOn;
use egressway_snapshot::ZoneEntry;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

pub struct PassedEntry {
    began: Instant,
    client: IpAddr,
    host: Box<str>,
    is_tls: bool,
    pub zone: Option<Arc<ZoneEntry>>,
    pub region: Option<Box<str>>,
    /// Who serves it.
    pub server: Option<Arc<Server>>,
    pub attempts: u32,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub error: Option<Error>,
}

impl PassedEntry {
    pub fn begin(connection: &PassedOn) -> Self {
        PassedEntry {
            began: Instant::now(),
            client: connection.client.ip().to_canonical(),
            host: connection.host.clone(),
            is_tls: connection.is_tls,
            zone: None,
            region: None,
            server: None,
            attempts: 0,
            bytes_in: 0,
            bytes_out: 0,
            error: None,
        }
    }

    pub fn write(&self, out: &mut Vec<u8>, request_id: &[u8], server: &str) {
        let mut line = Line { out };
        line.begin();
        line.out.extend_from_slice(request_id);
        line.out.push(b'"');
        line.raw_text("kind", b"passed");
        line.zone(self.zone.as_deref());
        line.address("client", self.client);
        line.text("host", self.host.as_bytes());
        line.flag("tls", self.is_tls);
        line.error(self.error.as_ref());
        line.text("region", self.region.as_deref().unwrap_or_default().as_bytes());
        line.text("ingress_server", server.as_bytes());
        match &self.server {
            Some(server) => line.text("region_server", server.name.as_bytes()),
            None => line.raw("region_server", b"null"),
        }
        line.number("attempts", self.attempts.into());
        line.number("bytes_in", self.bytes_in);
        line.number("bytes_out", self.bytes_out);
        line.number("total_us", micros(self.began.elapsed()));
        line.out.extend_from_slice(b"}\n");
    }
}
