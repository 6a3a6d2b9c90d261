//! Makes origin connections out of port leases: dial, TLS, HTTP/2 where both agree on it.

use crate::current::Current;
use arc_swap::ArcSwap;
use egressway_core::deadline::now_ms;
use egressway_core::{Code, Error};
use egressway_counters::EgressCounters;
use egressway_counters::egress::count;
use egressway_egress_server::{
    Connector, Dialer, EgressStream, GroupKey, Opened, PooledH1, PooledH2, PortLease, TlsKey, Transport,
};
use egressway_origin::h2_connection::Opened as OpenedH2;
use egressway_origin::tls::{certificate_covers, handshake};
use egressway_origin::{H1Connection, H2Connection, OriginStream};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long the opening of a connection took.
#[derive(Debug, Clone, Copy)]
pub struct OpenTimes {
    pub dial: Duration,
    pub tls: Option<Duration>,
}

/// An HTTP/1 connection to an origin.
pub struct OriginH1 {
    pub connection: H1Connection<EgressStream>,
    pub egress: SocketAddr,
    pub times: OpenTimes,
    opened_at_ms: u64,
    counters: Arc<EgressCounters>,
}

/// An HTTP/2 connection to an origin.
pub struct OriginH2 {
    pub connection: H2Connection,
    pub egress: SocketAddr,
    pub times: OpenTimes,
    opened_at_ms: u64,
    counters: Arc<EgressCounters>,
}

pub struct OriginConnector {
    pub dialer: Arc<Dialer>,
    pub current: Arc<ArcSwap<Current>>,
}

/// A connected stream, and what is known of it before a protocol begins.
struct Connected {
    stream: OriginStream<EgressStream>,
    egress: SocketAddr,
    times: OpenTimes,
    counters: Arc<EgressCounters>,
    is_h2: bool,
    is_https: bool,
    certificate: Option<Vec<u8>>,
}

impl Connector for OriginConnector {
    type H1 = OriginH1;
    type H2 = OriginH2;

    async fn open(&self, key: &GroupKey, lease: PortLease) -> Result<Opened<OriginH1, OriginH2>, Error> {
        let current = self.current.load_full();
        let began = Instant::now();
        let stream = self.dialer.dial(lease, current.dial).await?;
        let dial = began.elapsed();
        let egress = SocketAddr::new(stream.lease().key().egress_ip, stream.lease().port());
        let plain = Connected {
            egress,
            times: OpenTimes { dial, tls: None },
            counters: stream.lease().counters().clone(),
            is_h2: key.transport == Transport::H2c,
            is_https: false,
            certificate: None,
            stream: OriginStream::Plain(stream),
        };
        let connected = match (&key.transport, plain) {
            (Transport::Tls(tls), Connected { stream: OriginStream::Plain(stream), counters, times, .. }) => {
                secure(&current, tls, stream, egress, counters, times).await?
            }
            (_, plain) => plain,
        };
        if connected.is_h2 { begin_h2(key, connected, &current).await } else { Ok(begin_h1(connected)) }
    }
}

async fn secure(
    current: &Current,
    tls: &TlsKey,
    stream: EgressStream,
    egress: SocketAddr,
    counters: Arc<EgressCounters>,
    times: OpenTimes,
) -> Result<Connected, Error> {
    let began = Instant::now();
    count(&counters.handshakes);
    let config = current.tls.configs.config(tls.verify, tls.http2);
    let secured = tokio::time::timeout(current.origin_tls, handshake(stream, &config, &tls.server_name))
        .await
        .map_err(|_| Error::because(Code::OriginTlsFailed, "the TLS handshake took too long"))??;
    Ok(Connected {
        stream: secured.stream,
        egress,
        times: OpenTimes { tls: Some(began.elapsed()), ..times },
        counters,
        is_h2: secured.is_h2,
        is_https: true,
        certificate: secured.certificate,
    })
}

fn begin_h1(connected: Connected) -> Opened<OriginH1, OriginH2> {
    Opened::H1(OriginH1 {
        connection: H1Connection::new(connected.stream),
        egress: connected.egress,
        times: connected.times,
        opened_at_ms: now_ms(),
        counters: connected.counters,
    })
}

async fn begin_h2(
    key: &GroupKey,
    connected: Connected,
    current: &Current,
) -> Result<Opened<OriginH1, OriginH2>, Error> {
    let opened = OpenedH2 {
        egress_ip: connected.egress.ip(),
        egress_port: connected.egress.port(),
        is_https: connected.is_https,
        max_streams: key.max_streams,
        certificate: connected.certificate,
    };
    let opening = H2Connection::open(connected.stream, opened);
    let (connection, driver) = tokio::time::timeout(current.origin_tls, opening)
        .await
        .map_err(|_| Error::because(Code::OriginProtocol, "no HTTP/2 settings in time"))??;
    tokio::spawn(driver);
    Ok(Opened::H2(OriginH2 {
        connection,
        egress: connected.egress,
        times: connected.times,
        opened_at_ms: now_ms(),
        counters: connected.counters,
    }))
}

impl PooledH1 for OriginH1 {
    fn is_quiet(&mut self) -> bool {
        self.connection.is_quiet()
    }

    fn rehome(&mut self) -> io::Result<()> {
        self.connection.rehome()
    }

    fn is_reusable(&self) -> bool {
        self.connection.is_reusable()
    }

    fn relax(&mut self) {
        self.connection.relax();
    }

    fn opened_at_ms(&self) -> u64 {
        self.opened_at_ms
    }

    fn egress(&self) -> SocketAddr {
        self.egress
    }

    fn counters(&self) -> &Arc<EgressCounters> {
        &self.counters
    }
}

impl PooledH2 for OriginH2 {
    fn stream_limit(&self) -> u32 {
        self.connection.stream_limit()
    }

    fn is_usable(&self) -> bool {
        self.connection.is_usable()
    }

    fn retire(&self) {
        self.connection.retire();
    }

    fn covers(&self, host: &str) -> bool {
        self.connection.certificate().is_some_and(|certificate| certificate_covers(certificate, host))
    }

    fn opened_at_ms(&self) -> u64 {
        self.opened_at_ms
    }

    fn counters(&self) -> &Arc<EgressCounters> {
        &self.counters
    }
}
