//! The life of one client connection: PROXY protocol, admission, whose it is, TLS, then HTTP/1 or HTTP/2.

use crate::accept::{ClientStream, Duplex, Prefixed, Transport};
use crate::client_hello::{self, Hello};
use crate::h1::serve_h1;
use crate::h2_connection::serve_h2;
use crate::limits::ClientLimits;
use crate::proxy_protocol;
use crate::service::{ConnectionInfo, IngressSettings, ListenerSettings, PanicWatch, PassedOn, Service};
use egressway_core::{Code, Deadline, Deadlines, RequestHead};
use egressway_http1::{Limits, parse_request};
use egressway_streams::BufferedIo;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

/// How an HTTP/2 connection begins (RFC 9113 section 3.4).
pub const H2_PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const PROXY_HEADER_MOST: usize = 4096;
/// Room for a ClientHello as browsers send it.
const HELLO_STEP: usize = 4096;
/// A fatal alert, `internal_error` (RFC 8446 section 6): nobody who may terminate TLS can be reached.
const ALERT: &[u8] = b"\x15\x03\x03\x00\x02\x02\x50";
/// So long a client may take to hear it.
const GOODBYE: Duration = Duration::from_secs(1);

/// What a worker gives to each of its connections.
pub struct Surroundings<V> {
    pub service: Arc<V>,
    pub clients: Arc<ClientLimits>,
    pub deadlines: Arc<Deadlines>,
}

impl<V> Clone for Surroundings<V> {
    fn clone(&self) -> Self {
        Surroundings {
            service: self.service.clone(),
            clients: self.clients.clone(),
            deadlines: self.deadlines.clone(),
        }
    }
}

/// A connection before it is known what it speaks.
struct Arrival {
    transport: Transport,
    client: SocketAddr,
    /// What the client connected to.
    local: Option<SocketAddr>,
    /// Bytes read already.
    prefix: Vec<u8>,
    is_tls: bool,
    /// The server that has passed it on: whatever it is for is served here or nowhere.
    passed_by: Option<Box<str>>,
}

/// Serves `tcp` until it ends.
pub async fn serve_connection<V: Service>(
    around: Surroundings<V>,
    tcp: TcpStream,
    peer: SocketAddr,
    listener: Arc<ListenerSettings>,
) {
    let _watch = PanicWatch(around.service.clone());
    let settings = around.service.settings();
    let deadline = around.deadlines.watch();
    let _ = tcp.set_nodelay(true);
    match read_proxy_header(tcp, peer, &listener, &settings, &deadline).await {
        Ok(arrival) => serve(around, arrival, settings, deadline).await,
        Err((code, cause)) => around.service.connection_failed(code, peer, &cause),
    }
}

/// Serves a connection that another server has accepted from `client` and passes on, until it ends.
pub async fn serve_passed<V: Service>(
    around: Surroundings<V>,
    stream: Box<dyn Duplex>,
    client: SocketAddr,
    is_tls: bool,
    passed_by: Box<str>,
) {
    let _watch = PanicWatch(around.service.clone());
    let settings = around.service.settings();
    let deadline = around.deadlines.watch();
    let transport = Transport::Passed(stream);
    let passed_by = Some(passed_by);
    let arrival = Arrival { transport, client, local: None, prefix: Vec::new(), is_tls, passed_by };
    serve(around, arrival, settings, deadline).await;
}

async fn serve<V: Service>(
    around: Surroundings<V>,
    arrival: Arrival,
    settings: Arc<IngressSettings>,
    deadline: Deadline,
) {
    let client = arrival.client;
    let Some(_admission) = around.clients.admit(client.ip(), settings.max_connections_per_client) else {
        let cause = "limit of open connections";
        return around.service.connection_failed(Code::TooManyConnections, client, cause);
    };
    if arrival.is_tls {
        serve_tls(around, arrival, settings, deadline).await;
    } else {
        serve_plain(around, arrival, settings, deadline).await;
    }
}

async fn read_proxy_header(
    tcp: TcpStream,
    peer: SocketAddr,
    listener: &ListenerSettings,
    settings: &IngressSettings,
    deadline: &Deadline,
) -> Result<Arrival, (Code, String)> {
    let local = tcp.local_addr().ok();
    let arrival = |tcp, client, local, prefix| Arrival {
        transport: Transport::Tcp(tcp),
        client,
        local,
        prefix,
        is_tls: listener.is_tls,
        passed_by: None,
    };
    let Some(trusted) = &listener.proxy_protocol_from else {
        return Ok(arrival(tcp, peer, local, Vec::new()));
    };
    let peer_ip = peer.ip().to_canonical();
    if !trusted.iter().any(|network| network.contains(&peer_ip)) {
        return Err((Code::BadRequest, "this peer may not send a PROXY protocol header".to_owned()));
    }
    deadline.set(settings.head);
    let mut io = BufferedIo::new(tcp);
    let read = deadline.guard(read_one_proxy_header(&mut io)).await;
    let header =
        read.map_err(|_| (Code::RequestTimeout, "no PROXY protocol header in time".to_owned()))??;
    let (tcp, prefix) = io.into_parts();
    Ok(arrival(tcp, header.source.unwrap_or(peer), header.destination.or(local), prefix))
}

async fn read_one_proxy_header(
    io: &mut BufferedIo<TcpStream>,
) -> Result<proxy_protocol::Header, (Code, String)> {
    loop {
        match proxy_protocol::parse(io.buffered()) {
            Ok(Some((consumed, header))) => {
                io.consume(consumed);
                return Ok(header);
            }
            Ok(None) => {}
            Err(error) => return Err((Code::BadRequest, error.to_string())),
        }
        match poll_fn(|cx| io.poll_fill(cx, PROXY_HEADER_MOST)).await {
            Ok(0) => return Err((Code::ClientAborted, "closed inside the PROXY protocol header".to_owned())),
            Ok(_) => {}
            Err(error) => return Err((Code::ClientAborted, error.to_string())),
        }
    }
}

async fn serve_tls<V: Service>(
    around: Surroundings<V>,
    mut arrival: Arrival,
    settings: Arc<IngressSettings>,
    deadline: Deadline,
) {
    let service = &around.service;
    let client = arrival.client;
    deadline.set(settings.tls_handshake);
    if arrival.passed_by.is_none() && service.has_hosts_elsewhere() {
        let host = match deadline.guard(read_hello(&mut arrival)).await {
            Ok(Ok(host)) => host,
            Ok(Err((code, cause))) => return service.connection_failed(code, client, &cause),
            Err(_) => {
                return service.connection_failed(Code::RequestTimeout, client, "TLS handshake too slow");
            }
        };
        if let Some(host) = host.filter(|host| service.is_elsewhere(host)) {
            if let Err(mut refused) = service.pass_on(arrival.passed_on(host), &deadline).await {
                deadline.set(GOODBYE);
                // Whether it arrives is up to the client.
                let _ = deadline.guard(refused.transport.write_all(ALERT)).await;
            }
            return;
        }
    }
    let handshake = TlsAcceptor::from(service.tls()).accept(Prefixed::new(arrival.transport, arrival.prefix));
    let stream = match deadline.guard(handshake).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            return service.connection_failed(Code::BadRequest, client, &format!("TLS handshake: {error}"));
        }
        Err(_) => return service.connection_failed(Code::RequestTimeout, client, "TLS handshake too slow"),
    };
    let session = stream.get_ref().1;
    let is_h2 = session.alpn_protocol() == Some(b"h2");
    let sni = session.server_name().map(|name| name.to_ascii_lowercase().into_boxed_str());
    let passed_by = arrival.passed_by;
    let info = ConnectionInfo { sni, passed_by, ..ConnectionInfo::direct(client, true) };
    let stream = ClientStream::Tls(Box::new(stream));
    if is_h2 {
        serve_h2(&around, stream, info, settings, deadline).await;
    } else {
        serve_h1(&around, BufferedIo::new(stream), &info, &settings, &deadline).await;
    }
}

/// The name that the client asks for; what was read of the connection is in front of the rest again. Bytes that are no
/// ClientHello have none: whoever terminates TLS says what is wrong with them.
async fn read_hello(arrival: &mut Arrival) -> Result<Option<Box<str>>, (Code, String)> {
    loop {
        match client_hello::read(&arrival.prefix) {
            Hello::Partial => {}
            Hello::Named(name) => return Ok(Some(name)),
            Hello::Unnamed | Hello::Other => return Ok(None),
            Hello::TooLong => return Err((Code::BadRequest, "the ClientHello is too long".to_owned())),
        }
        arrival.prefix.reserve(HELLO_STEP);
        match arrival.transport.read_buf(&mut arrival.prefix).await {
            Ok(0) => return Err((Code::ClientAborted, "closed inside the ClientHello".to_owned())),
            Ok(_) => {}
            Err(error) => return Err((Code::ClientAborted, error.to_string())),
        }
    }
}

impl Arrival {
    fn passed_on(self, host: Box<str>) -> PassedOn {
        PassedOn {
            transport: self.transport,
            begun: self.prefix,
            client: self.client,
            local: self.local,
            is_tls: self.is_tls,
            host,
        }
    }
}

/// The host of the first request that `io` brings, which stays unread; `None` when there is none to be read.
async fn first_host(
    io: &mut BufferedIo<ClientStream>,
    settings: &IngressSettings,
    deadline: &Deadline,
) -> Option<Box<str>> {
    let limits = Limits { max_head_bytes: settings.max_head_bytes, max_headers: settings.max_headers };
    let mut head = RequestHead::default();
    loop {
        if parse_request(io.buffered(), &limits, &mut head).ok()?.is_some() {
            return std::str::from_utf8(head.host()).ok().map(Box::from);
        }
        let fill = poll_fn(|cx| io.poll_fill(cx, settings.max_head_bytes + 1024));
        deadline.guard(fill).await.ok()?.ok().filter(|count| *count > 0)?;
    }
}

/// HTTP/1, or HTTP/2 with prior knowledge when the first bytes are its preface.
async fn serve_plain<V: Service>(
    around: Surroundings<V>,
    arrival: Arrival,
    settings: Arc<IngressSettings>,
    deadline: Deadline,
) {
    let Arrival { transport, client, local, prefix, is_tls, passed_by } = arrival;
    let may_pass_on = passed_by.is_none();
    let mut info = ConnectionInfo { passed_by, ..ConnectionInfo::direct(client, false) };
    let mut is_begun = !prefix.is_empty();
    if is_begun {
        deadline.set(settings.head);
    } else {
        deadline.set_first(settings.head);
    }
    let mut io = BufferedIo::new(ClientStream::Plain(transport));
    io.prepend(&prefix);
    loop {
        let seen = io.buffered();
        let common = seen.len().min(H2_PREFACE.len());
        if !seen.is_empty() && seen[..common] != H2_PREFACE[..common] {
            break;
        }
        if common == H2_PREFACE.len() {
            return serve_h2(&around, io, info, settings, deadline).await;
        }
        match deadline.guard(poll_fn(|cx| io.poll_fill(cx, settings.max_head_bytes))).await {
            Ok(Ok(1..)) => {}
            Ok(Ok(0) | Err(_)) if io.buffered().is_empty() => return,
            Err(_) if io.buffered().is_empty() => return,
            _ => return serve_h1(&around, io, &info, &settings, &deadline).await,
        }
        if !is_begun {
            is_begun = true;
            deadline.set(settings.head);
        }
    }
    if may_pass_on && around.service.has_hosts_elsewhere() {
        let host = first_host(&mut io, &settings, &deadline).await;
        if let Some(host) = host.filter(|host| around.service.is_elsewhere(host)) {
            let (ClientStream::Plain(transport), prefix) = io.into_parts() else { return };
            let arrival = Arrival { transport, client, local, prefix, is_tls, passed_by: None };
            let Err(refused) = around.service.pass_on(arrival.passed_on(host), &deadline).await else {
                return;
            };
            // The request is answered here, with the reason.
            info.is_stranded = true;
            io = BufferedIo::new(ClientStream::Plain(refused.transport));
            io.prepend(&refused.begun);
            deadline.set(settings.head);
        }
    }
    serve_h1(&around, io, &info, &settings, &deadline).await;
}
