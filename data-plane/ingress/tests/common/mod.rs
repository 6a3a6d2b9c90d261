//! An ingress with a service behind it that echoes, and clients to try it with.

#![allow(dead_code, reason = "each test binary uses its own part")]

use bytes::Bytes;
use egressway_core::side::ClientSide;
use egressway_core::{
    Code, Deadline, Deadlines, Error, Fields, Framing, RequestHead, ResponseHead, deadline,
};
use egressway_ingress::connection::Surroundings;
use egressway_ingress::service::ListenerSettings;
use egressway_ingress::{
    ClientLimits, ConnectionInfo, IngressSettings, PassedOn, Service, serve_connection, tls,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub const DEADLINE: Duration = Duration::from_secs(10);

/// Answers `<method> <target> <body>` and tells who asked; `/hang` waits until its client is gone; `/panic` panics;
/// a WebSocket's bytes come back.
pub struct Echo {
    settings: Arc<IngressSettings>,
    tls: Arc<rustls::ServerConfig>,
    /// Connections that failed before a request, and requests that could not be answered.
    pub failures: Mutex<Vec<(Code, String)>>,
    /// Connections for `elsewhere.example.com`: client, what was read, what came after it, and whether over TLS.
    pub passed: Mutex<Vec<Passed>>,
    /// Nobody takes them.
    pub is_cut_off: AtomicBool,
}

pub type Passed = (SocketAddr, Vec<u8>, Vec<u8>, bool);

pub const ELSEWHERE: &str = "elsewhere.example.com";

impl Echo {
    async fn answer<C: ClientSide>(
        &self,
        client: &mut C,
        request: &RequestHead,
        info: &ConnectionInfo,
    ) -> Result<(), Error> {
        let mut body = [request.method_bytes(), b" ", request.target(), b" "].concat();
        while let Some(piece) = poll_fn(|cx| client.poll_piece(cx)).await? {
            body.extend_from_slice(&piece);
        }
        let mut head = ResponseHead { status: 200, ..ResponseHead::default() };
        head.fields.push(b"Client", info.client.to_string().as_bytes());
        head.fields.push(b"Passed-By", info.passed_by.as_deref().unwrap_or("nobody").as_bytes());
        head.fields.push(b"Stranded", if info.is_stranded { b"yes" } else { b"no" });
        head.fields.push(b"Server-Name", info.sni.as_deref().unwrap_or("none").as_bytes());
        respond(client, head, body).await
    }

    pub fn has_failed(&self, code: Code, cause: &str) -> bool {
        let failures = self.failures.lock().expect("failures");
        failures.iter().any(|(failed, why)| *failed == code && why.contains(cause))
    }
}

async fn respond<C: ClientSide>(client: &mut C, mut head: ResponseHead, body: Vec<u8>) -> Result<(), Error> {
    head.framing = Framing::Length(body.len() as u64);
    client.start_response(&head, b"id")?;
    let mut body = Bytes::from(body);
    poll_fn(|cx| client.poll_send(cx, &mut body)).await?;
    poll_fn(|cx| client.poll_finish(cx, &Fields::default(), false)).await
}

/// Opens the tunnel of a WebSocket and sends back what comes in until the client ends its side.
async fn tunnel<C: ClientSide>(client: &mut C) -> Result<(), Error> {
    let mut head = ResponseHead { status: 101, ..ResponseHead::default() };
    head.fields.push(b"Sec-WebSocket-Protocol", b"chat");
    client.start_tunnel(&head, b"id")?;
    poll_fn(|cx| client.poll_flush(cx)).await?;
    while let Some(mut piece) = poll_fn(|cx| client.poll_piece(cx)).await? {
        poll_fn(|cx| client.poll_send(cx, &mut piece)).await?;
        poll_fn(|cx| client.poll_flush(cx)).await?;
    }
    poll_fn(|cx| client.poll_finish(cx, &Fields::default(), false)).await
}

impl Service for Echo {
    fn settings(&self) -> Arc<IngressSettings> {
        self.settings.clone()
    }

    fn tls(&self) -> Arc<rustls::ServerConfig> {
        self.tls.clone()
    }

    fn has_hosts_elsewhere(&self) -> bool {
        true
    }

    fn is_elsewhere(&self, host: &str) -> bool {
        host == ELSEWHERE
    }

    async fn pass_on(&self, mut connection: PassedOn, _deadline: &Deadline) -> Result<(), PassedOn> {
        if self.is_cut_off.load(SeqCst) {
            return Err(connection);
        }
        let mut rest = Vec::new();
        let _ = connection.transport.read_to_end(&mut rest).await;
        let passed = (connection.client, connection.begun, rest, connection.is_tls);
        self.passed.lock().expect("passed").push(passed);
        Ok(())
    }

    async fn serve<C: ClientSide>(
        &self,
        client: &mut C,
        request: &RequestHead,
        info: &ConnectionInfo,
        deadline: &Deadline,
    ) {
        deadline.set(DEADLINE);
        assert_ne!(request.target(), b"/panic", "as asked");
        let answered = if request.target() == b"/hang" {
            Err(poll_fn(|cx| client.poll_gone(cx)).await)
        } else if request.is_websocket {
            tunnel(client).await
        } else {
            self.answer(client, request, info).await
        };
        if let Err(error) = answered {
            self.failures.lock().expect("failures").push((error.code, "while serving".to_owned()));
        }
    }

    async fn reject<C: ClientSide>(
        &self,
        client: &mut C,
        code: Code,
        _request: &RequestHead,
        _info: &ConnectionInfo,
        deadline: &Deadline,
    ) {
        deadline.set(DEADLINE);
        let head = ResponseHead { status: code.status(), ..ResponseHead::default() };
        let _ = respond(client, head, code.as_str().as_bytes().to_vec()).await;
    }

    fn connection_failed(&self, code: Code, _client: SocketAddr, cause: &str) {
        self.failures.lock().expect("failures").push((code, cause.to_owned()));
    }

    fn panicked(&self) {
        self.failures.lock().expect("failures").push((Code::Internal, "panicked".to_owned()));
    }
}

pub fn settings() -> IngressSettings {
    IngressSettings {
        tls_handshake: DEADLINE,
        head: DEADLINE,
        idle_h1: DEADLINE,
        idle_h2: DEADLINE,
        max_head_bytes: 8 * 1024,
        max_headers: 50,
        h2_max_streams: 16,
        h2_max_resets: 20,
        max_requests: 1_000,
        max_connections_per_client: 100,
    }
}

#[derive(Debug)]
struct One(Arc<CertifiedKey>);

impl ResolvesServerCert for One {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }
}

/// A running ingress.
pub struct Ingress {
    pub address: SocketAddr,
    pub echo: Arc<Echo>,
    pub deadlines: Arc<Deadlines>,
    pub certificate: CertificateDer<'static>,
}

impl Ingress {
    pub async fn start(settings: IngressSettings, listener: ListenerSettings) -> Ingress {
        let made = rcgen::generate_simple_self_signed(["www.example.com".to_owned()]).expect("certificate");
        let certificate = made.cert.der().clone();
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let key = rustls::crypto::ring::sign::any_supported_type(&key).expect("key");
        let certified = Arc::new(CertifiedKey::new(vec![certificate.clone()], key));
        let echo = Arc::new(Echo {
            settings: Arc::new(settings),
            tls: tls::server_config(Arc::new(One(certified))),
            failures: Mutex::default(),
            passed: Mutex::default(),
            is_cut_off: AtomicBool::new(false),
        });
        let deadlines = Deadlines::new();
        let tcp = TcpListener::bind(("127.0.0.1", 0)).await.expect("bind");
        let address = tcp.local_addr().expect("address");
        let ingress = Ingress { address, echo, deadlines, certificate };
        tokio::spawn(accept(tcp, ingress.around(), Arc::new(listener)));
        tokio::spawn(tick(ingress.deadlines.clone()));
        ingress
    }

    pub fn around(&self) -> Surroundings<Echo> {
        Surroundings {
            service: self.echo.clone(),
            clients: Arc::new(ClientLimits::default()),
            deadlines: self.deadlines.clone(),
        }
    }

    pub async fn plain(settings: IngressSettings) -> Ingress {
        Ingress::start(settings, ListenerSettings { is_tls: false, proxy_protocol_from: None }).await
    }

    pub async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("connect")
    }

    /// A TLS connection that offers `protocols`.
    pub async fn connect_tls(&self, protocols: &[&str]) -> tokio_rustls::client::TlsStream<TcpStream> {
        self.secure(self.connect().await, protocols).await
    }

    /// The same over any stream that leads here.
    pub async fn secure<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        protocols: &[&str],
    ) -> tokio_rustls::client::TlsStream<S> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.certificate.clone()).expect("root");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        let name = "www.example.com".try_into().expect("name");
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        connector.connect(name, stream).await.expect("handshake")
    }
}

async fn accept(tcp: TcpListener, around: Surroundings<Echo>, listener: Arc<ListenerSettings>) {
    while let Ok((stream, peer)) = tcp.accept().await {
        tokio::spawn(serve_connection(around.clone(), stream, peer, listener.clone()));
    }
}

async fn tick(deadlines: Arc<Deadlines>) {
    loop {
        tokio::time::sleep(deadline::TICK).await;
        deadlines.tick();
    }
}

pub async fn until(mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < end, "not in time");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Everything until the server closes; a reset counts as the end.
pub async fn read_to_end(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> String {
    let mut all = Vec::new();
    let _ = tokio::time::timeout(DEADLINE, stream.read_to_end(&mut all)).await.expect("closed in time");
    String::from_utf8_lossy(&all).into_owned()
}

/// One answer with a `Content-Length`: head and body.
pub async fn read_answer(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> (String, String) {
    let mut all = Vec::new();
    loop {
        if let Some(end) = all.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&all[..end]).into_owned();
            let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
            let length: usize = length.expect("a length").parse().expect("a number");
            let mut body = vec![0; length];
            tokio::time::timeout(DEADLINE, stream.read_exact(&mut body))
                .await
                .expect("in time")
                .expect("body");
            return (head, String::from_utf8_lossy(&body).into_owned());
        }
        let byte = tokio::time::timeout(DEADLINE, stream.read_u8()).await.expect("in time").expect("head");
        all.push(byte);
    }
}

pub async fn send(stream: &mut (impl tokio::io::AsyncWrite + Unpin), text: &str) {
    stream.write_all(text.as_bytes()).await.expect("send");
    stream.flush().await.expect("flush");
}

pub fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: www.example.com\r\n\r\n")
}
