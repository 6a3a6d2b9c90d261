//! The life of one client connection: admission, PROXY protocol, TLS, then HTTP/1 or HTTP/2.

use crate::accept::{ClientStream, Prefixed};
use crate::h1::serve_h1;
use crate::h2_connection::serve_h2;
use crate::limits::ClientLimits;
use crate::proxy_protocol;
use crate::service::{ConnectionInfo, IngressSettings, ListenerSettings, PanicWatch, Service};
use egressway_core::{Code, Deadline, Deadlines};
use egressway_streams::BufferedIo;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

/// How an HTTP/2 connection begins (RFC 9113 section 3.4).
pub const H2_PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const PROXY_HEADER_MOST: usize = 4096;

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
    let (tcp, client, prefix) = match read_proxy_header(tcp, peer, &listener, &settings, &deadline).await {
        Ok(begun) => begun,
        Err((code, cause)) => return around.service.connection_failed(code, peer, &cause),
    };
    let Some(_admission) = around.clients.admit(client.ip(), settings.max_connections_per_client) else {
        return around.service.connection_failed(
            Code::TooManyConnections,
            client,
            "limit of open connections",
        );
    };
    if listener.is_tls {
        serve_tls(around, tcp, client, prefix, settings, deadline).await;
    } else {
        serve_plain(around, tcp, client, prefix, settings, deadline).await;
    }
}

/// The connection, its client's address, and bytes read behind the header.
type Begun = (TcpStream, SocketAddr, Vec<u8>);

async fn read_proxy_header(
    tcp: TcpStream,
    peer: SocketAddr,
    listener: &ListenerSettings,
    settings: &IngressSettings,
    deadline: &Deadline,
) -> Result<Begun, (Code, String)> {
    let Some(trusted) = &listener.proxy_protocol_from else { return Ok((tcp, peer, Vec::new())) };
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
    Ok((tcp, header.source.unwrap_or(peer), prefix))
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
    tcp: TcpStream,
    client: SocketAddr,
    prefix: Vec<u8>,
    settings: Arc<IngressSettings>,
    deadline: Deadline,
) {
    deadline.set(settings.tls_handshake);
    let handshake = TlsAcceptor::from(around.service.tls()).accept(Prefixed::new(tcp, prefix));
    let stream = match deadline.guard(handshake).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            return around.service.connection_failed(
                Code::BadRequest,
                client,
                &format!("TLS handshake: {error}"),
            );
        }
        Err(_) => {
            return around.service.connection_failed(Code::RequestTimeout, client, "TLS handshake too slow");
        }
    };
    let session = stream.get_ref().1;
    let is_h2 = session.alpn_protocol() == Some(b"h2");
    let sni = session.server_name().map(|name| name.to_ascii_lowercase().into_boxed_str());
    let info = ConnectionInfo { client, is_tls: true, sni };
    let stream = ClientStream::Tls(Box::new(stream));
    if is_h2 {
        serve_h2(&around, stream, info, settings, deadline).await;
    } else {
        serve_h1(&around, BufferedIo::new(stream), &info, &settings, &deadline).await;
    }
}

/// HTTP/1, or HTTP/2 with prior knowledge when the first bytes are its preface.
async fn serve_plain<V: Service>(
    around: Surroundings<V>,
    tcp: TcpStream,
    client: SocketAddr,
    prefix: Vec<u8>,
    settings: Arc<IngressSettings>,
    deadline: Deadline,
) {
    let info = ConnectionInfo { client, is_tls: false, sni: None };
    let mut is_begun = !prefix.is_empty();
    if is_begun {
        deadline.set(settings.head);
    } else {
        deadline.set_first(settings.head);
    }
    let mut io = BufferedIo::new(ClientStream::Plain(tcp));
    io.prepend(&prefix);
    loop {
        let seen = io.buffered();
        let common = seen.len().min(H2_PREFACE.len());
        if !seen.is_empty() && seen[..common] != H2_PREFACE[..common] {
            return serve_h1(&around, io, &info, &settings, &deadline).await;
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
}
