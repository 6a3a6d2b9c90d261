//! HTTP/2 clients over real sockets, with prior knowledge and over TLS.

mod common;

use bytes::Bytes;
use common::{DEADLINE, Ingress, get, read_answer, read_to_end, send, settings, until};
use egressway_core::Code;
use egressway_ingress::IngressSettings;
use egressway_ingress::service::ListenerSettings;
use h2::client::SendRequest;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinHandle;

/// The client's end, and the task that drives its connection to whatever end it takes.
async fn begin<T>(io: T) -> (SendRequest<Bytes>, JoinHandle<Result<(), h2::Error>>)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (send, connection) = h2::client::handshake(io).await.expect("handshake");
    (send, tokio::spawn(connection))
}

fn request(method: &str, target: &str) -> http::Request<()> {
    let uri = format!("http://www.example.com{target}");
    http::Request::builder().method(method).uri(uri).body(()).expect("request")
}

async fn whole(response: h2::client::ResponseFuture) -> Result<(http::response::Parts, String), h2::Error> {
    let (parts, mut stream) = response.await?.into_parts();
    let mut body = Vec::new();
    while let Some(piece) = stream.data().await {
        let piece = piece?;
        let _ = stream.flow_control().release_capacity(piece.len());
        body.extend_from_slice(&piece);
    }
    Ok((parts, String::from_utf8_lossy(&body).into_owned()))
}

/// Sends `body`, if any, and reads the answer.
async fn ask(
    send: &SendRequest<Bytes>,
    request: http::Request<()>,
    body: Option<Bytes>,
) -> (http::response::Parts, String) {
    let mut send = send.clone().ready().await.expect("ready");
    let (response, mut stream) = send.send_request(request, body.is_none()).expect("sent");
    if let Some(body) = body {
        stream.send_data(body, true).expect("body");
    }
    tokio::time::timeout(DEADLINE, whole(response)).await.expect("in time").expect("answer")
}

#[tokio::test]
async fn prior_knowledge_begins_http2_on_a_plain_listener() {
    let ingress = Ingress::plain(settings()).await;
    let (send, _) = begin(ingress.connect().await).await;
    let asked = (0..10).map(|i| {
        let send = send.clone();
        tokio::spawn(async move {
            ask(&send, request("POST", &format!("/{i}")), Some(Bytes::from("body"))).await.1
        })
    });
    for (i, answer) in asked.collect::<Vec<_>>().into_iter().enumerate() {
        assert_eq!(answer.await.expect("task"), format!("POST /{i} body"));
    }
}

#[tokio::test]
async fn a_large_body_passes_both_ways_through_small_windows() {
    let ingress = Ingress::plain(settings()).await;
    let (send, _) = begin(ingress.connect().await).await;
    let body = "0123456789".repeat(150_000);
    let (_, answer) = ask(&send, request("PUT", "/large"), Some(Bytes::from(body.clone()))).await;
    assert_eq!(answer.len(), "PUT /large ".len() + body.len());
    assert!(answer.ends_with(&body));
}

#[tokio::test]
async fn tls_clients_get_the_protocol_they_offer() {
    let ingress =
        Ingress::start(settings(), ListenerSettings { is_tls: true, proxy_protocol_from: None }).await;
    let stream = ingress.connect_tls(&["h2", "http/1.1"]).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (send_h2, _) = begin(stream).await;
    let (parts, body) = ask(&send_h2, request("GET", "/tls"), None).await;
    assert_eq!(body, "GET /tls ");
    assert_eq!(parts.headers["server-name"], "www.example.com");
    for protocols in [&["http/1.1"][..], &[]] {
        let mut stream = ingress.connect_tls(protocols).await;
        send(&mut stream, &get("/h1")).await;
        assert_eq!(read_answer(&mut stream).await.1, "GET /h1 ");
    }
}

#[tokio::test]
async fn a_tls_handshake_that_does_not_come_is_cut() {
    let listener = ListenerSettings { is_tls: true, proxy_protocol_from: None };
    let short = IngressSettings { tls_handshake: Duration::from_millis(200), ..settings() };
    let ingress = Ingress::start(short, listener).await;
    assert_eq!(read_to_end(&mut ingress.connect().await).await, "");
    assert!(ingress.echo.has_failed(Code::RequestTimeout, "too slow"));
    let mut plain = ingress.connect().await;
    send(&mut plain, &get("/")).await;
    read_to_end(&mut plain).await;
    assert!(ingress.echo.has_failed(Code::BadRequest, "TLS handshake"));
}

#[tokio::test]
async fn a_bad_request_is_answered_on_its_stream_alone() {
    let ingress = Ingress::plain(settings()).await;
    let (send, _) = begin(ingress.connect().await).await;
    let mut bad = request("GET", "/");
    bad.headers_mut().insert("host", "other.example.com".parse().expect("value"));
    let (parts, body) = ask(&send, bad, None).await;
    assert_eq!((parts.status.as_u16(), body.as_str()), (400, "host_invalid"));
    assert_eq!(ask(&send, request("GET", "/good"), None).await.1, "GET /good ");
}

#[tokio::test]
async fn an_answer_before_the_end_of_the_upload_arrives_whole() {
    let ingress = Ingress::plain(settings()).await;
    let (send, _) = begin(ingress.connect().await).await;
    for _ in 0..20 {
        let mut send = send.clone().ready().await.expect("ready");
        let mut early = request("POST", "/");
        early.headers_mut().insert("host", "other.example.com".parse().expect("value"));
        let (response, _upload) = send.send_request(early, false).expect("sent");
        let (parts, body) =
            tokio::time::timeout(DEADLINE, whole(response)).await.expect("in time").expect("answer");
        assert_eq!((parts.status.as_u16(), body.as_str()), (400, "host_invalid"));
    }
}

#[tokio::test]
async fn a_websocket_opens_over_one_stream_with_its_subprotocol() {
    let ingress = Ingress::plain(settings()).await;
    let (send, _) = begin(ingress.connect().await).await;
    assert_eq!(ask(&send, request("GET", "/"), None).await.1, "GET / ", "settings have come by now");
    assert!(send.is_extended_connect_protocol_enabled());
    let mut opening = request("CONNECT", "/chat");
    opening.extensions_mut().insert(h2::ext::Protocol::from_static("websocket"));
    let (response, mut upload) =
        send.ready().await.expect("ready").send_request(opening, false).expect("sent");
    let response = tokio::time::timeout(DEADLINE, response).await.expect("in time").expect("answer");
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["sec-websocket-protocol"], "chat");
    assert!(!response.headers().contains_key("sec-websocket-accept"));
    upload.send_data(Bytes::from("hello"), false).expect("open");
    let mut download = response.into_body();
    let piece = tokio::time::timeout(DEADLINE, download.data()).await.expect("in time");
    assert_eq!(piece.expect("piece").expect("open"), "hello");
    upload.send_data(Bytes::new(), true).expect("open");
    assert!(
        tokio::time::timeout(DEADLINE, download.data()).await.expect("in time").is_none_or(|end| end.is_ok())
    );
    assert!(download.is_end_stream());
}

#[tokio::test]
async fn rapid_resets_end_the_connection() {
    let ingress = Ingress::plain(settings()).await;
    let (send, connection) = begin(ingress.connect().await).await;
    let mut sent = 0;
    while let Ok(mut ready) = send.clone().ready().await {
        let Ok((response, mut stream)) = ready.send_request(request("GET", "/hang"), true) else { break };
        stream.send_reset(h2::Reason::CANCEL);
        drop(response);
        sent += 1;
        assert!(sent < 100_000, "the connection is still there");
        tokio::task::yield_now().await;
    }
    let ended = tokio::time::timeout(DEADLINE, connection).await.expect("in time").expect("task");
    let error = ended.expect_err("cut off");
    // A client that goes on sending may lose the goodbye to a reset of the connection.
    assert!(error.reason() == Some(h2::Reason::ENHANCE_YOUR_CALM) || error.is_io(), "{error}");
    until(|| ingress.echo.has_failed(Code::BadRequest, "")).await;
}

#[tokio::test]
async fn resets_of_streams_that_are_being_served_count_too() {
    let ingress = Ingress::plain(settings()).await;
    let (send, connection) = begin(ingress.connect().await).await;
    for _ in 0..40 {
        let Ok(mut ready) = send.clone().ready().await else { break };
        let Ok((response, mut stream)) = ready.send_request(request("GET", "/hang"), true) else { break };
        // The answer to a later request shows that the stream is being served.
        let Ok((marker, _)) = ready.send_request(request("GET", "/marker"), true) else { break };
        if whole(marker).await.is_err() {
            break;
        }
        stream.send_reset(h2::Reason::CANCEL);
        drop(response);
    }
    let ended = tokio::time::timeout(DEADLINE, connection).await.expect("in time").expect("task");
    assert_eq!(ended.expect_err("cut off").reason(), Some(h2::Reason::ENHANCE_YOUR_CALM));
    until(|| ingress.echo.has_failed(Code::BadRequest, "too many stream resets")).await;
}

#[tokio::test]
async fn an_idle_http2_connection_is_told_goodbye() {
    let ingress = Ingress::plain(IngressSettings { idle_h2: Duration::from_millis(200), ..settings() }).await;
    let (send, connection) = begin(ingress.connect().await).await;
    assert_eq!(ask(&send, request("GET", "/"), None).await.1, "GET / ");
    let ended = tokio::time::timeout(DEADLINE, connection).await.expect("in time").expect("task");
    assert!(ended.is_ok(), "{ended:?}");
}

#[tokio::test]
async fn a_client_that_ignores_the_goodbye_is_cut() {
    let ingress = Ingress::plain(IngressSettings { idle_h2: Duration::from_millis(200), ..settings() }).await;
    let mut client = ingress.connect().await;
    // The preface and an empty SETTINGS frame, and then silence: no ping is answered.
    send(&mut client, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
    read_to_end(&mut client).await;
}

/// Returns when the server takes no new streams of this client.
async fn told_goodbye(send: SendRequest<Bytes>) {
    let told = async {
        while send.clone().ready().await.is_ok() {
            tokio::time::sleep(Duration::from_millis(2)).await
        }
    };
    tokio::time::timeout(DEADLINE, told).await.expect("in time");
}

#[tokio::test]
async fn draining_lets_streams_finish_and_then_ends_the_connection() {
    let ingress = Ingress::plain(settings()).await;
    let (send, connection) = begin(ingress.connect().await).await;
    let mut ready = send.clone().ready().await.expect("ready");
    let (response, mut upload) = ready.send_request(request("POST", "/busy"), false).expect("sent");
    assert_eq!(ask(&send, request("GET", "/marker"), None).await.1, "GET /marker ");
    drop(ready);
    ingress.deadlines.drain();
    told_goodbye(send).await;
    upload.send_data(Bytes::from("body"), true).expect("still open");
    let (_, body) = tokio::time::timeout(DEADLINE, whole(response)).await.expect("in time").expect("answer");
    assert_eq!(body, "POST /busy body");
    let ended = tokio::time::timeout(DEADLINE, connection).await.expect("in time").expect("task");
    assert!(ended.is_ok(), "{ended:?}");
}

#[tokio::test]
async fn a_panic_ends_its_stream_alone_and_is_counted() {
    let ingress = Ingress::plain(settings()).await;
    let (send, _) = begin(ingress.connect().await).await;
    let mut panicking = send.clone().ready().await.expect("ready");
    let (response, _) = panicking.send_request(request("GET", "/panic"), true).expect("sent");
    assert!(whole(response).await.is_err());
    let (parts, _) = ask(&send, request("GET", "/after"), None).await;
    assert_eq!(parts.status, 200);
    until(|| ingress.echo.has_failed(Code::Internal, "panicked")).await;
}
