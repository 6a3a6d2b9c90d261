//! Connections for hosts that other servers alone serve: passed on as they came, before anything is answered.

mod common;

use common::{DEADLINE, ELSEWHERE, Ingress, get, read_answer, read_to_end, send, settings, until};
use egressway_core::Code;
use egressway_ingress::serve_passed;
use egressway_ingress::service::ListenerSettings;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// What a client that asks for `name` sends first.
fn hello(name: &str) -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let name = name.to_owned().try_into().expect("a name");
    let mut client = rustls::ClientConnection::new(Arc::new(config), name).expect("a client");
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).expect("written");
    bytes
}

async fn with_tls() -> Ingress {
    Ingress::start(settings(), ListenerSettings { is_tls: true, proxy_protocol_from: None }).await
}

#[tokio::test]
async fn a_hello_for_elsewhere_is_passed_on_unanswered_however_it_comes() {
    let ingress = with_tls().await;
    let bytes = hello(ELSEWHERE);
    for size in [bytes.len(), 7, 1] {
        let mut stream = ingress.connect().await;
        stream.set_nodelay(true).expect("option");
        let client = stream.local_addr().expect("address");
        for part in bytes.chunks(size) {
            stream.write_all(part).await.expect("sent");
            tokio::task::yield_now().await;
        }
        stream.write_all(b"and more").await.expect("sent");
        stream.shutdown().await.expect("ended");
        assert_eq!(read_to_end(&mut stream).await, "", "not a byte is answered");
        until(|| !ingress.echo.passed.lock().expect("passed").is_empty()).await;
        let (from, begun, rest, is_tls) = ingress.echo.passed.lock().expect("passed").remove(0);
        assert_eq!((from, is_tls), (client, true));
        assert_eq!([begun, rest].concat(), [&bytes[..], b"and more"].concat());
    }
}

#[tokio::test]
async fn other_names_are_served_here() {
    let ingress = with_tls().await;
    let mut stream = ingress.connect_tls(&["http/1.1"]).await;
    send(&mut stream, &get("/here")).await;
    assert_eq!(read_answer(&mut stream).await.1, "GET /here ");
    assert!(ingress.echo.passed.lock().expect("passed").is_empty());
}

#[tokio::test]
async fn a_hello_that_is_too_long_or_none_at_all_is_refused() {
    let ingress = with_tls().await;
    let mut stream = ingress.connect().await;
    stream.write_all(b"\x16\x03\x01\x40\x00\x01\xff\xff\xff").await.expect("sent");
    read_to_end(&mut stream).await;
    until(|| ingress.echo.has_failed(Code::BadRequest, "too long")).await;
    let mut stream = ingress.connect().await;
    send(&mut stream, &get("/")).await;
    read_to_end(&mut stream).await;
    until(|| ingress.echo.has_failed(Code::BadRequest, "TLS handshake")).await;
    let stream = ingress.connect().await;
    drop(stream);
    until(|| ingress.echo.has_failed(Code::ClientAborted, "inside the ClientHello")).await;
}

#[tokio::test]
async fn a_plain_request_for_elsewhere_is_passed_on_whole() {
    let ingress = Ingress::plain(settings()).await;
    let mut stream = ingress.connect().await;
    let request = format!("POST / HTTP/1.1\r\nHost: {ELSEWHERE}\r\nContent-Length: 4\r\n\r\nbody");
    for part in request.as_bytes().chunks(9) {
        stream.write_all(part).await.expect("sent");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    stream.shutdown().await.expect("ended");
    until(|| !ingress.echo.passed.lock().expect("passed").is_empty()).await;
    let (_, begun, rest, is_tls) = ingress.echo.passed.lock().expect("passed").remove(0);
    assert!(!is_tls);
    assert_eq!(String::from_utf8([begun, rest].concat()).expect("text"), request);
}

#[tokio::test]
async fn what_another_server_passes_on_is_served_with_its_clients_address() {
    let ingress = Ingress::plain(settings()).await;
    let client = "203.0.113.7:1234".parse().expect("address");
    // Even what is for elsewhere: it goes no second hop.
    let request = format!("GET /passed HTTP/1.1\r\nHost: {ELSEWHERE}\r\n\r\n");
    let (mut near, far) = tokio::io::duplex(1024);
    let serving = tokio::spawn(serve_passed(ingress.around(), Box::new(far), client, false, "ams-1".into()));
    send(&mut near, &request).await;
    let (head, body) = read_answer(&mut near).await;
    assert!(head.contains("Client: 203.0.113.7:1234"), "{head}");
    assert!(head.contains("Passed-By: ams-1"), "{head}");
    assert_eq!(body, "GET /passed ");
    near.shutdown().await.expect("ended");
    tokio::time::timeout(DEADLINE, serving).await.expect("in time").expect("no panic");
    let mut nothing = Vec::new();
    near.read_to_end(&mut nothing).await.expect("ended");
}

#[tokio::test]
async fn tls_ends_here_for_what_another_server_passes_on() {
    let ingress = with_tls().await;
    let client = "[2001:db8::7]:1234".parse().expect("address");
    let (near, far) = tokio::io::duplex(64);
    tokio::spawn(serve_passed(ingress.around(), Box::new(far), client, true, "ams-1".into()));
    let mut stream = ingress.secure(near, &["http/1.1"]).await;
    send(&mut stream, &get("/secret")).await;
    let (head, _) = read_answer(&mut stream).await;
    assert!(head.contains("Client: [2001:db8::7]:1234"), "{head}");
}

#[tokio::test]
async fn a_connection_that_nobody_takes_ends_with_an_alert_and_a_plain_request_is_answered_here() {
    let ingress = with_tls().await;
    ingress.echo.is_cut_off.store(true, SeqCst);
    let mut stream = ingress.connect().await;
    stream.write_all(&hello(ELSEWHERE)).await.expect("sent");
    let mut alert = Vec::new();
    stream.read_to_end(&mut alert).await.expect("ended");
    assert_eq!(alert, b"\x15\x03\x03\x00\x02\x02\x50");

    let ingress = Ingress::plain(settings()).await;
    ingress.echo.is_cut_off.store(true, SeqCst);
    let mut stream = ingress.connect().await;
    send(&mut stream, &format!("GET /why HTTP/1.1\r\nHost: {ELSEWHERE}\r\n\r\n")).await;
    let (head, body) = read_answer(&mut stream).await;
    assert!(head.contains("Stranded: yes"), "{head}");
    assert_eq!(body, "GET /why ");
}
