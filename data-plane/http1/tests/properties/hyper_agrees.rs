//! On every message the codec admits, hyper sees the same body and the next message at the same place.

use crate::messages;
use egressway_core::{Framing, Method, RequestHead, ResponseHead};
use egressway_http1::{Asked, BodyReader, Limits, Piece, Role, parse_request, parse_response};
use hyper::body::{Body, Incoming};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::service::service_fn;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};

const LIMITS: Limits = Limits { max_head_bytes: 8 * 1024, max_headers: 100 };
const NEXT_REQUEST: &[u8] = b"GET /next HTTP/1.1\r\nHost: www.example.com\r\nConnection: close\r\n\r\n";
const NEXT_RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnext";

/// A tokio stream in hyper's terms.
struct HyperIo(DuplexStream);

impl Read for HyperIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut to: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut bytes = [0; 1024];
        let room = to.remaining().min(bytes.len());
        let mut buf = ReadBuf::new(&mut bytes[..room]);
        ready!(Pin::new(&mut self.0).poll_read(cx, &mut buf))?;
        to.put_slice(buf.filled());
        Poll::Ready(Ok(()))
    }
}

impl Write for HyperIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// What is compared of a message's body.
#[derive(Debug, Default, PartialEq, Eq)]
struct Content {
    data: Vec<u8>,
    trailers: Vec<(String, Vec<u8>)>,
}

/// All of a body by the codec and its length in `text`; `None` if it is violated or cut short.
fn read_content(text: &[u8], framing: Framing, role: Role) -> Option<(Content, usize)> {
    let mut reader = BodyReader::new(framing, role);
    let (mut content, mut at) = (Content::default(), 0);
    while at < text.len() && !reader.is_done() {
        match reader.next(&text[at..]).ok()? {
            Piece::Data { consumed, data } => {
                content.data.extend_from_slice(&text[at..][data]);
                at += consumed;
            }
            Piece::More { consumed } | Piece::End { consumed } => at += consumed,
        }
    }
    reader.eof().ok()?;
    let trailers = reader.trailers().iter();
    content.trailers = trailers
        .map(|(_, name, value)| (String::from_utf8_lossy(name).to_ascii_lowercase(), value.to_vec()))
        .collect();
    content.trailers.sort();
    Some((content, at))
}

/// All of a body by hyper.
async fn hyper_content(mut body: Incoming) -> Result<Content, hyper::Error> {
    let mut content = Content::default();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        match frame?.into_data() {
            Ok(data) => content.data.extend_from_slice(&data),
            Err(frame) => {
                for (name, value) in &frame.into_trailers().unwrap_or_default() {
                    content.trailers.push((name.as_str().to_owned(), value.as_bytes().to_vec()));
                }
            }
        }
    }
    content.trailers.sort();
    Ok(content)
}

#[derive(Debug, PartialEq, Eq)]
struct Request {
    method: String,
    target: String,
    content: Content,
}

/// The requests in `text` by the codec, to the first that is refused or cut short, or after which it closes.
fn codec_requests(text: &[u8]) -> Vec<Request> {
    let (mut at, mut found) = (0, Vec::new());
    let mut head = RequestHead::default();
    while let Ok(Some(length)) = parse_request(&text[at..], &LIMITS, &mut head) {
        let Some((content, body)) = read_content(&text[at + length..], head.framing, Role::Request) else {
            break;
        };
        at += length + body;
        found.push(Request {
            method: String::from_utf8_lossy(head.method_bytes()).into_owned(),
            target: String::from_utf8_lossy(head.target()).into_owned(),
            content,
        });
        if !head.keep_alive {
            break;
        }
    }
    found
}

/// The requests in `text` by hyper.
async fn hyper_requests(text: &[u8]) -> Vec<Request> {
    let (mut client, server) = tokio::io::duplex(64 * 1024);
    let found = Rc::new(RefCell::new(Vec::new()));
    let service = service_fn(|request: hyper::Request<Incoming>| {
        let found = found.clone();
        async move {
            let (parts, body) = request.into_parts();
            let content = hyper_content(body).await?;
            let target = parts.uri.path_and_query().map_or(String::new(), ToString::to_string);
            found.borrow_mut().push(Request { method: parts.method.to_string(), target, content });
            Ok::<_, hyper::Error>(hyper::Response::new(String::new()))
        }
    });
    let mut answers = Vec::new();
    let talk = async {
        client.write_all(text).await.expect("there is room");
        client.shutdown().await.expect("open");
        let _ = client.read_to_end(&mut answers).await;
    };
    let served = hyper::server::conn::http1::Builder::new()
        .half_close(true)
        .serve_connection(HyperIo(server), service);
    // hyper's verdict on what comes behind the requests is its own.
    let (_, ()) = tokio::join!(served, talk);
    drop(answers);
    found.take()
}

fn run<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}

/// Reads one request, up to the empty line behind its head.
async fn skip_request(stream: &mut DuplexStream) {
    let mut seen = Vec::new();
    while !seen.ends_with(b"\r\n\r\n") {
        seen.push(stream.read_u8().await.expect("a request"));
    }
}

/// One response of hyper's: status and body.
type Answer = Result<(u16, Content), hyper::Error>;

/// What hyper makes of a response of these bytes, and of the one behind it if the connection is kept.
async fn hyper_response(text: &[u8], is_head: bool, is_kept: bool) -> (Answer, Option<Answer>) {
    let (client, mut server) = tokio::io::duplex(64 * 1024);
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake::<_, String>(HyperIo(client)).await.expect("no bytes needed");
    let ask = async {
        let first = exchange(&mut sender, is_head).await;
        let second = if is_kept && first.is_ok() { Some(exchange(&mut sender, false).await) } else { None };
        drop(sender);
        (first, second)
    };
    let answer = async {
        skip_request(&mut server).await;
        server.write_all(text).await.expect("there is room");
        if is_kept {
            // Either a second request comes, or hyper has closed.
            let mut first = [0];
            if server.read(&mut first).await.unwrap_or(0) == 1 {
                skip_request(&mut server).await;
                server.write_all(NEXT_RESPONSE).await.expect("there is room");
            }
        }
        drop(server);
    };
    let (_, answers, ()) = tokio::join!(connection, ask, answer);
    answers
}

async fn exchange(sender: &mut hyper::client::conn::http1::SendRequest<String>, is_head: bool) -> Answer {
    sender.ready().await?;
    let method = if is_head { hyper::Method::HEAD } else { hyper::Method::GET };
    let request = hyper::Request::builder().method(method).uri("/").header("host", "www.example.com");
    let response = sender.send_request(request.body(String::new()).expect("a request")).await?;
    let (parts, body) = response.into_parts();
    Ok((parts.status.as_u16(), hyper_content(body).await?))
}

/// A head and a body that suits its framing most of the time.
fn request() -> impl Strategy<Value = Vec<u8>> {
    (messages::request_head(), messages::chunked_body(), "[a-z]{40}").prop_map(|(head, chunked, plain)| {
        let mut parsed = RequestHead::default();
        let body = match parse_request(head.as_bytes(), &LIMITS, &mut parsed) {
            Ok(_) => body_for(parsed.framing, chunked, plain),
            Err(_) => chunked,
        };
        [head, body].concat().into_bytes()
    })
}

fn response() -> impl Strategy<Value = (Vec<u8>, bool)> {
    let parts = (messages::response_head(), messages::chunked_body(), "[a-z]{40}", any::<bool>());
    parts.prop_map(|(head, chunked, plain, is_head)| {
        let asked = Asked { head_request: is_head, upgrade: false };
        let mut parsed = ResponseHead::default();
        let body = match parse_response(head.as_bytes(), &LIMITS, asked, &mut parsed) {
            Ok(_) => body_for(parsed.framing, chunked, plain),
            Err(_) => chunked,
        };
        ([head, body].concat().into_bytes(), is_head)
    })
}

fn body_for(framing: Framing, chunked: String, plain: String) -> String {
    match framing {
        Framing::None => String::new(),
        Framing::Length(length) => plain[..length as usize].to_owned(),
        Framing::Chunked => chunked,
        Framing::UntilClose => plain,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn on_requests(first in request(), second in request()) {
        let text = [first.as_slice(), &second, NEXT_REQUEST].concat();
        let ours = codec_requests(&text);
        let theirs = run(hyper_requests(&text));
        prop_assert!(theirs.len() >= ours.len(), "hyper saw {theirs:?}, the codec {ours:?}");
        prop_assert_eq!(&theirs[..ours.len()], &ours[..]);
    }

    #[test]
    fn on_responses((text, is_head) in response()) {
        let asked = Asked { head_request: is_head, upgrade: false };
        let mut head = ResponseHead::default();
        let Ok(Some(length)) = parse_response(&text, &LIMITS, asked, &mut head) else { return Ok(()) };
        let Some((content, body)) = read_content(&text[length..], head.framing, Role::Response) else { return Ok(()) };
        prop_assert_eq!(length + body, text.len());
        let (first, second) = run(hyper_response(&text, is_head, head.keep_alive));
        prop_assert_eq!(first.map_err(|e| e.to_string()), Ok((head.status, content)));
        if let Some(second) = second {
            let next = Content { data: b"next".to_vec(), ..Content::default() };
            prop_assert_eq!(second.map_err(|e| e.to_string()), Ok((200, next)));
        }
    }
}

#[test]
fn the_generators_make_enough_that_is_admitted() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut requests, mut with_body, mut responses) = (0, 0, 0);
    for _ in 0..500 {
        let text = request().new_tree(&mut runner).expect("a value").current();
        let found = codec_requests(&text);
        requests += found.len();
        with_body += found.iter().filter(|request| !request.content.data.is_empty()).count();
        let (text, is_head) = response().new_tree(&mut runner).expect("a value").current();
        let asked = Asked { head_request: is_head, upgrade: false };
        responses += usize::from(parse_response(&text, &LIMITS, asked, &mut ResponseHead::default()).is_ok());
    }
    assert!(requests > 100 && with_body > 30 && responses > 150, "{requests} {with_body} {responses}");
}

#[test]
fn both_take_a_method_by_its_letters() {
    let text = b"PURGE / HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut head = RequestHead::default();
    parse_request(text, &LIMITS, &mut head).expect("valid").expect("whole");
    assert_eq!(head.method, Method::Other);
    assert_eq!(run(hyper_requests(text))[0].method, "PURGE");
}
