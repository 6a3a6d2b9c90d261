//! Connections to origins over real sockets: what makes one reusable, and when its socket is gone.

mod common;

use bytes::Bytes;
use common::Socket;
use egressway_core::side::{OriginSide, Outbound};
use egressway_core::{Code, Fields, Framing, RequestHead, ResponseHead};
use egressway_origin::{H1Connection, H2Connection, Opened, OriginStream};
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const DEADLINE: Duration = Duration::from_secs(10);

fn request() -> RequestHead {
    let mut head = RequestHead::default();
    head.set_method(b"GET");
    head.set_target(b"/");
    head.set_authority(b"www.example.com", b"www.example.com");
    head
}

fn outbound() -> Outbound<'static> {
    Outbound {
        host: b"www.example.com",
        forwarded_for: b"192.0.2.1",
        forwarded_proto: b"https",
        forwarded: b"for=192.0.2.1",
        request_id: b"id",
        cdn_loop: b"test",
    }
}

/// One request without a body, and the whole answer.
async fn exchange<O: OriginSide>(origin: &mut O) -> Result<(u16, Vec<u8>), egressway_core::Error> {
    origin.start_request(&request(), &outbound(), None)?;
    poll_fn(|cx| origin.poll_finish(cx, &Fields::default(), false)).await?;
    let mut head = ResponseHead::default();
    loop {
        poll_fn(|cx| origin.poll_response(cx, &mut head)).await?;
        if !head.is_interim() {
            break;
        }
    }
    let mut body = Vec::new();
    if head.framing != Framing::None {
        while let Some(piece) = poll_fn(|cx| origin.poll_piece(cx)).await? {
            body.extend_from_slice(&piece);
        }
    }
    Ok((head.status, body))
}

async fn until(mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < end, "not in time");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// An origin that gives every request the same answer, and then does `after`.
async fn h1_origin(answer: &'static [u8], closes: bool) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("bind");
    let address = listener.local_addr().expect("address");
    tokio::spawn(async move {
        while let Ok((mut tcp, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                while tcp.read(&mut buffer).await.is_ok_and(|count| count > 0) {
                    if tcp.write_all(answer).await.is_err() || closes {
                        return;
                    }
                }
            });
        }
    });
    address
}

async fn h1(to: SocketAddr) -> H1Connection<Socket> {
    H1Connection::new(OriginStream::Plain(Socket::connect(to, &Arc::default()).await))
}

#[tokio::test]
async fn a_cleanly_delimited_answer_leaves_the_connection_reusable() {
    let mut origin = h1(h1_origin(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", false).await).await;
    for _ in 0..3 {
        assert_eq!(exchange(&mut origin).await.expect("answer"), (200, b"hi".to_vec()));
        assert!(origin.is_reusable() && origin.is_quiet());
    }
}

#[tokio::test]
async fn an_answer_that_forbids_it_or_leaves_bytes_over_does_not() {
    for answer in [
        &b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi"[..],
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi!",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi",
    ] {
        let mut origin = h1(h1_origin(answer, false).await).await;
        assert_eq!(exchange(&mut origin).await.expect("answer"), (200, b"hi".to_vec()));
        assert!(!origin.is_reusable(), "{:?}", String::from_utf8_lossy(answer));
    }
}

#[tokio::test]
async fn a_close_while_idle_is_noticed_before_the_next_request() {
    let mut origin = h1(h1_origin(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", true).await).await;
    assert_eq!(exchange(&mut origin).await.expect("answer").0, 200);
    until(|| !origin.is_quiet()).await;
}

#[tokio::test]
async fn a_body_that_is_cut_short_is_an_error() {
    let mut origin = h1(h1_origin(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi", true).await).await;
    assert_eq!(exchange(&mut origin).await.expect_err("cut").code, Code::OriginClosed);
    assert!(!origin.is_reusable() && !origin.is_untouched());
}

/// An HTTP/2 origin that answers every request with its scheme; `most` streams, and it ends after `requests`.
async fn h2_origin(most: u32, requests: usize) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("bind");
    let address = listener.local_addr().expect("address");
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            tokio::spawn(serve_h2(tcp, most, requests));
        }
    });
    address
}

async fn serve_h2(tcp: TcpStream, most: u32, requests: usize) {
    let mut builder = h2::server::Builder::new();
    let mut connection: h2::server::Connection<_, Bytes> =
        builder.max_concurrent_streams(most).handshake(tcp).await.expect("handshake");
    let mut seen = 0;
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        seen += 1;
        let scheme = request.uri().scheme_str().unwrap_or("none").to_owned();
        // The stream may have been reset meanwhile.
        if let Ok(mut body) = respond.send_response(http::Response::new(()), false) {
            let _ = body.send_data(Bytes::from(scheme), true);
        }
        if seen == requests {
            connection.graceful_shutdown();
        }
    }
}

async fn h2(to: SocketAddr, is_https: bool, alive: &Arc<AtomicUsize>) -> H2Connection {
    let opened = Opened { egress_ip: to.ip(), egress_port: 1, is_https, max_streams: 100, certificate: None };
    let socket = Socket::connect(to, alive).await;
    let (connection, driver) = H2Connection::open(socket, opened).await.expect("open");
    tokio::spawn(driver);
    connection
}

#[tokio::test]
async fn an_http2_connection_knows_the_origins_limit_and_tells_its_scheme() {
    let to = h2_origin(7, usize::MAX).await;
    for (is_https, scheme) in [(false, "http"), (true, "https")] {
        let connection = h2(to, is_https, &Arc::default()).await;
        assert_eq!(connection.stream_limit(), 7);
        let mut one = connection.exchange();
        assert_eq!(exchange(&mut one).await.expect("answer"), (200, scheme.as_bytes().to_vec()));
    }
}

#[tokio::test]
async fn a_dropped_http2_connection_gives_its_socket_back() {
    let alive = Arc::new(AtomicUsize::new(0));
    let connection = h2(h2_origin(100, usize::MAX).await, false, &alive).await;
    exchange(&mut connection.exchange()).await.expect("answer");
    assert_eq!(alive.load(SeqCst), 1);
    drop(connection);
    until(|| alive.load(SeqCst) == 0).await;
}

#[tokio::test]
async fn an_origin_that_goes_away_ends_the_connection_and_its_socket() {
    let alive = Arc::new(AtomicUsize::new(0));
    let connection = h2(h2_origin(100, 1).await, false, &alive).await;
    assert_eq!(exchange(&mut connection.exchange()).await.expect("answer").0, 200);
    until(|| !connection.is_usable()).await;
    until(|| alive.load(SeqCst) == 0).await;
    let mut late = connection.exchange();
    assert_eq!(exchange(&mut late).await.expect_err("gone").code, Code::OriginClosed);
    assert!(late.is_untouched(), "another connection may take it");
}

#[tokio::test]
async fn an_exchange_that_is_given_up_leaves_the_connection_to_others() {
    let connection = h2(h2_origin(100, usize::MAX).await, false, &Arc::default()).await;
    let mut given_up = connection.exchange();
    given_up.start_request(&request(), &outbound(), None).expect("begun");
    drop(given_up);
    assert_eq!(exchange(&mut connection.exchange()).await.expect("answer").0, 200);
    assert!(connection.is_usable());
}

#[tokio::test]
async fn an_origin_that_answers_no_ping_after_a_timeout_is_given_up() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("bind");
    let to = listener.local_addr().expect("address");
    let silent = tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.expect("accept");
        // An empty SETTINGS frame, and then nothing more ever.
        tcp.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.expect("settings");
        let mut sink = Vec::new();
        let _ = tcp.read_to_end(&mut sink).await;
    });
    let alive = Arc::new(AtomicUsize::new(0));
    let connection = h2(to, false, &alive).await;
    let mut one = connection.exchange();
    one.start_request(&request(), &outbound(), None).expect("begun");
    one.timed_out();
    drop(one);
    until(|| !connection.is_usable() && alive.load(SeqCst) == 0).await;
    silent.await.expect("origin");
}

#[tokio::test]
async fn closes_while_idle_are_noticed_however_many_are_looked_at_in_one_turn() {
    let address = h1_origin(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", true).await;
    let mut idle = Vec::new();
    for _ in 0..300 {
        let mut origin = h1(address).await;
        assert_eq!(exchange(&mut origin).await.expect("answer").0, 200);
        idle.push(origin);
    }
    until(|| idle.iter_mut().all(|origin| !origin.is_quiet())).await;
}
