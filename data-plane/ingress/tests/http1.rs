//! HTTP/1 clients over real sockets.

mod common;

use common::{Ingress, get, read_answer, read_to_end, send, settings, until};
use egressway_core::Code;
use egressway_ingress::IngressSettings;
use egressway_ingress::service::ListenerSettings;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;

#[tokio::test]
async fn requests_follow_each_other_on_one_connection() {
    let ingress = Ingress::plain(settings()).await;
    let mut client = ingress.connect().await;
    for i in 0..3 {
        send(&mut client, &get(&format!("/{i}"))).await;
        assert_eq!(read_answer(&mut client).await.1, format!("GET /{i} "));
    }
    send(&mut client, "POST /p HTTP/1.1\r\nHost: www.example.com\r\nContent-Length: 4\r\n\r\nbody").await;
    assert_eq!(read_answer(&mut client).await.1, "POST /p body");
    send(&mut client, "GET /last HTTP/1.1\r\nHost: www.example.com\r\nConnection: close\r\n\r\n").await;
    let last = read_to_end(&mut client).await;
    assert!(last.contains("Connection: close\r\n") && last.ends_with("GET /last "), "{last}");
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let ingress = Ingress::plain(settings()).await;
    let mut client = ingress.connect().await;
    let chunked = "POST /1 HTTP/1.1\r\nHost: www.example.com\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    send(&mut client, &[&get("/0"), chunked, &get("/2")].concat()).await;
    for body in ["GET /0 ", "POST /1 abc", "GET /2 "] {
        assert_eq!(read_answer(&mut client).await.1, body);
    }
}

#[tokio::test]
async fn bytes_may_arrive_one_by_one() {
    let ingress = Ingress::plain(settings()).await;
    let mut client = ingress.connect().await;
    client.set_nodelay(true).expect("nodelay");
    for byte in "PUT /slow HTTP/1.1\r\nHost: www.example.com\r\nContent-Length: 2\r\n\r\nok".chars() {
        send(&mut client, &byte.to_string()).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(read_answer(&mut client).await.1, "PUT /slow ok");
}

#[tokio::test]
async fn a_bad_request_is_answered_and_ends_the_connection() {
    let ingress = Ingress::plain(settings()).await;
    for (request, status) in [
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        ("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", 405),
        ("\x16\x03\x01", 400),
    ] {
        let mut client = ingress.connect().await;
        send(&mut client, &[request, &get("/smuggled")].concat()).await;
        let answer = read_to_end(&mut client).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request:?}: {answer}");
        assert!(!answer.contains("smuggled"), "{request:?}: {answer}");
    }
}

#[tokio::test]
async fn too_large_a_head_is_refused() {
    let ingress = Ingress::plain(settings()).await;
    let mut client = ingress.connect().await;
    send(&mut client, &format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(9_000))).await;
    assert!(read_to_end(&mut client).await.starts_with("HTTP/1.1 431 "));
}

#[tokio::test]
async fn a_head_that_trickles_is_cut_at_its_deadline() {
    let ingress = Ingress::plain(IngressSettings { head: Duration::from_millis(300), ..settings() }).await;
    // The second begins like HTTP/2's preface.
    for beginning in ["GET / HTTP/1.1\r\n", "PRI * HT"] {
        let mut client = ingress.connect().await;
        let begun = Instant::now();
        send(&mut client, beginning).await;
        let answer = read_to_end(&mut client).await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        assert!(begun.elapsed() >= Duration::from_millis(200), "not at once");
    }
}

#[tokio::test]
async fn an_idle_connection_is_closed_without_a_word() {
    let idle = Duration::from_millis(200);
    let ingress = Ingress::plain(IngressSettings { head: idle, idle_h1: idle, ..settings() }).await;
    assert_eq!(read_to_end(&mut ingress.connect().await).await, "", "before the first request");
    let mut client = ingress.connect().await;
    send(&mut client, &get("/")).await;
    read_answer(&mut client).await;
    assert_eq!(read_to_end(&mut client).await, "", "between requests");
}

#[tokio::test]
async fn a_websocket_turns_the_connection_into_a_tunnel() {
    let ingress = Ingress::plain(settings()).await;
    let mut client = ingress.connect().await;
    let fields = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    send(&mut client, &format!("GET /chat HTTP/1.1\r\nHost: www.example.com\r\n{fields}{key}\r\nhello"))
        .await;
    client.shutdown().await.expect("half-closed");
    let all = read_to_end(&mut client).await;
    assert!(all.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{all}");
    assert!(all.contains("\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{all}");
    assert!(all.ends_with("\r\n\r\nhello"), "{all}");
}

#[tokio::test]
async fn a_client_that_leaves_while_it_waits_is_noticed() {
    let ingress = Ingress::plain(settings()).await;
    let mut client = ingress.connect().await;
    send(&mut client, &get("/hang")).await;
    drop(client);
    until(|| ingress.echo.has_failed(Code::ClientAborted, "while serving")).await;
}

#[tokio::test]
async fn draining_ends_idle_connections_and_lets_a_request_finish() {
    let ingress = Ingress::plain(settings()).await;
    let (mut idle, mut busy) = (ingress.connect().await, ingress.connect().await);
    send(&mut idle, &get("/")).await;
    read_answer(&mut idle).await;
    send(&mut busy, "POST /busy HTTP/1.1\r\nHost: www.example.com\r\nContent-Length: 4\r\n\r\nbo").await;
    // Its head has been read once this client's answer is there.
    send(&mut idle, &get("/")).await;
    read_answer(&mut idle).await;
    ingress.deadlines.drain();
    assert_eq!(read_to_end(&mut idle).await, "");
    send(&mut busy, "dy").await;
    assert!(read_to_end(&mut busy).await.ends_with("POST /busy body"));
}

#[tokio::test]
async fn one_client_holds_only_so_many_connections() {
    let ingress = Ingress::plain(IngressSettings { max_connections_per_client: 1, ..settings() }).await;
    let mut first = ingress.connect().await;
    send(&mut first, &get("/")).await;
    read_answer(&mut first).await;
    assert_eq!(read_to_end(&mut ingress.connect().await).await, "");
    assert!(ingress.echo.has_failed(Code::TooManyConnections, "limit"));
}

#[tokio::test]
async fn a_proxy_header_tells_who_the_client_is_and_what_follows_is_its_own() {
    let from = |network: &str| ListenerSettings {
        is_tls: false,
        proxy_protocol_from: Some(vec![network.parse().expect("network")]),
    };
    let header = "PROXY TCP4 192.0.2.7 198.51.100.1 4321 80\r\n";
    let ingress = Ingress::start(settings(), from("127.0.0.0/8")).await;
    let mut client = ingress.connect().await;
    send(&mut client, &[header, &get("/0"), &get("/1")].concat()).await;
    for body in ["GET /0 ", "GET /1 "] {
        let (head, answered) = read_answer(&mut client).await;
        assert!(head.contains("Client: 192.0.2.7:4321"), "{head}");
        assert_eq!(answered, body);
    }
    let mut without = ingress.connect().await;
    send(&mut without, &get("/")).await;
    assert_eq!(read_to_end(&mut without).await, "", "the header is mandatory");
    let others = Ingress::start(settings(), from("192.0.2.0/24")).await;
    let mut foreign = others.connect().await;
    send(&mut foreign, &[header, &get("/")].concat()).await;
    assert_eq!(read_to_end(&mut foreign).await, "", "only listed peers may send one");
}
