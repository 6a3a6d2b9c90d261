//! What ingress needs from the rest of the request path.

use crate::accept::Transport;
use egressway_core::side::ClientSide;
use egressway_core::{Code, Deadline, RequestHead};
use ipnet::IpNet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed, Ordering::Release};
use std::time::Duration;

/// What is known of a connection before its first request.
#[derive(Debug)]
pub struct ConnectionInfo {
    /// Who the client is: the peer, or what a trusted PROXY protocol header says.
    pub client: SocketAddr,
    pub is_tls: bool,
    /// Server name of the TLS handshake, lower case.
    pub sni: Option<Box<str>>,
    /// The server of the fleet that the client came to, where it has passed the connection on.
    pub passed_by: Option<Box<str>>,
    /// It was for other servers, and none of them could be reached.
    pub is_stranded: bool,
}

impl ConnectionInfo {
    /// A connection that came here straight.
    pub const fn direct(client: SocketAddr, is_tls: bool) -> Self {
        ConnectionInfo { client, is_tls, sni: None, passed_by: None, is_stranded: false }
    }
}

/// Limits of one connection, taken when it begins.
#[derive(Debug, Clone)]
pub struct IngressSettings {
    pub tls_handshake: Duration,
    pub head: Duration,
    pub idle_h1: Duration,
    pub idle_h2: Duration,
    pub max_head_bytes: usize,
    pub max_headers: usize,
    pub h2_max_streams: u32,
    pub h2_max_resets: u32,
    pub max_requests: u32,
    pub max_connections_per_client: u32,
}

/// A connection that is for other servers of the fleet: nothing of it has been answered, and no key was needed.
pub struct PassedOn {
    pub transport: Transport,
    /// What has been read of it.
    pub begun: Vec<u8>,
    pub client: SocketAddr,
    /// What the client connected to, where that is known.
    pub local: Option<SocketAddr>,
    pub is_tls: bool,
    /// Host that it is for, lower case.
    pub host: Box<str>,
}

/// The rest of the request path.
pub trait Service: Send + Sync + 'static {
    /// Limits for a new connection.
    fn settings(&self) -> Arc<IngressSettings>;

    /// TLS configuration of new connections.
    fn tls(&self) -> Arc<rustls::ServerConfig>;

    /// Some hosts are served by other servers alone, so that connections have to be looked at before they are served.
    fn has_hosts_elsewhere(&self) -> bool;

    /// `host` (lower case) is served by other servers alone.
    fn is_elsewhere(&self, host: &str) -> bool;

    /// Passes a connection for such a host on, to its end. `Err`: nobody takes it, and it is given back as it came.
    fn pass_on(
        &self,
        connection: PassedOn,
        deadline: &Deadline,
    ) -> impl Future<Output = Result<(), PassedOn>> + Send;

    /// Answers one request; returns when the answer has been written or the client is lost.
    fn serve<C: ClientSide>(
        &self,
        client: &mut C,
        request: &RequestHead,
        connection: &ConnectionInfo,
        deadline: &Deadline,
    ) -> impl Future<Output = ()> + Send;

    /// Answers a request that could not be read, with what was understood of it.
    fn reject<C: ClientSide>(
        &self,
        client: &mut C,
        code: Code,
        request: &RequestHead,
        connection: &ConnectionInfo,
        deadline: &Deadline,
    ) -> impl Future<Output = ()> + Send;

    /// A connection ended before any request could be answered.
    fn connection_failed(&self, code: Code, client: SocketAddr, cause: &str);

    /// A task panicked; its connection or stream is gone, everything else goes on.
    fn panicked(&self);
}

/// Where a listener's connections come from and how they begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerSettings {
    pub is_tls: bool,
    /// `Some`: a PROXY protocol header is mandatory, and peers outside these networks are refused.
    pub proxy_protocol_from: Option<Vec<IpNet>>,
}

/// Counts something for as long as it lives.
pub struct Counted(Arc<AtomicUsize>);

impl Counted {
    pub fn new(counter: &Arc<AtomicUsize>) -> Self {
        counter.fetch_add(1, Relaxed);
        Counted(counter.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        // Whoever sees this one gone sees whatever it has counted before.
        self.0.fetch_sub(1, Release);
    }
}

/// Tells the service of a panic of the task that holds it. The runtime keeps the panic inside the task.
pub(crate) struct PanicWatch<V: Service>(pub Arc<V>);

impl<V: Service> Drop for PanicWatch<V> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.panicked();
        }
    }
}
