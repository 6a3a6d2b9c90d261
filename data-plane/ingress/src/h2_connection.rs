//! HTTP/2 clients: many streams on one connection, each served by a task of its own.

use crate::connection::Surroundings;
use crate::service::{ConnectionInfo, IngressSettings, PanicWatch, Service};
use bytes::Bytes;
use egressway_core::side::{BodySink, BodySource, ClientSide, Passing};
use egressway_core::{Code, Deadline, Error, Fields, Framing, RequestHead, ResponseHead, deadline};
use egressway_http1::Limits;
use egressway_http2::{request_from_h2, response_to_h2};
use egressway_streams::{H2Sink, H2Source};
use h2::server::{Connection, SendResponse};
use h2::{Reason, RecvStream};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;

const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1 << 20;
const RESET_PERIOD_MS: u64 = 10_000;
/// A client that has been told goodbye and has no stream left closes within this, or is cut.
const GOODBYE: Duration = Duration::from_secs(5);

/// What the connection and its streams share.
struct Shared<V> {
    around: Surroundings<V>,
    info: ConnectionInfo,
    settings: Arc<IngressSettings>,
    /// The connection's deadline: set while no stream is open.
    idle: Deadline,
    open_streams: AtomicUsize,
    resets: Mutex<VecDeque<u64>>,
    is_abused: Notify,
}

/// Serves streams until the connection ends.
pub async fn serve_h2<T, V>(
    around: &Surroundings<V>,
    io: T,
    info: ConnectionInfo,
    settings: Arc<IngressSettings>,
    deadline: Deadline,
) where
    T: AsyncRead + AsyncWrite + Unpin + Send,
    V: Service,
{
    deadline.set(settings.head);
    let mut connection = match deadline.guard(handshake(io, &settings)).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => {
            return around.service.connection_failed(Code::BadRequest, info.client, &error.to_string());
        }
        Err(_) => {
            return around.service.connection_failed(
                Code::RequestTimeout,
                info.client,
                "HTTP/2 preface too slow",
            );
        }
    };
    deadline.set_idle(settings.idle_h2);
    let shared = Arc::new(Shared {
        around: around.clone(),
        info,
        settings,
        idle: deadline,
        open_streams: AtomicUsize::new(0),
        resets: Mutex::default(),
        is_abused: Notify::new(),
    });
    drive(&mut connection, &shared).await;
}

async fn handshake<T>(io: T, settings: &IngressSettings) -> Result<Connection<T, Bytes>, h2::Error>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    h2::server::Builder::new()
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(settings.h2_max_streams)
        .max_header_list_size(u32::try_from(settings.max_head_bytes).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(settings.h2_max_resets as usize)
        .max_local_error_reset_streams(Some(settings.h2_max_resets as usize))
        .max_send_buffer_size(64 * 1024)
        .enable_connect_protocol()
        .handshake(io)
        .await
}

async fn drive<T, V>(connection: &mut Connection<T, Bytes>, shared: &Arc<Shared<V>>)
where
    T: AsyncRead + AsyncWrite + Unpin,
    V: Service,
{
    let mut left = shared.settings.max_requests;
    let (mut is_ending, mut is_parting) = (false, false);
    loop {
        tokio::select! {
            biased;
            () = shared.is_abused.notified() => {
                connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
                // A client that does not read cannot keep us by that.
                let closed = std::future::poll_fn(|cx| connection.poll_closed(cx));
                let _ = tokio::time::timeout(GOODBYE, closed).await;
                shared.around.service.connection_failed(
                    Code::BadRequest, shared.info.client, "too many stream resets");
                return;
            }
            accepted = connection.accept() => match accepted {
                Some(Ok((request, respond))) => {
                    shared.begin_stream();
                    tokio::spawn(serve_stream(shared.clone(), request, respond));
                    left = left.saturating_sub(1);
                    if left == 0 && !is_ending {
                        is_ending = true;
                        connection.graceful_shutdown();
                    }
                }
                Some(Err(error)) => return shared.note_violation(&error),
                None => return,
            },
            _ = std::future::poll_fn(|cx| shared.idle.poll_expired(cx)) => {
                if is_parting && shared.is_streamless() {
                    return;
                }
                is_parting = shared.is_streamless();
                if !std::mem::replace(&mut is_ending, true) {
                    connection.graceful_shutdown();
                }
                shared.idle.set(GOODBYE);
            }
        }
    }
}

impl<V: Service> Shared<V> {
    /// Idle time ends; draining still reaches the connection, which then takes no new streams.
    fn begin_stream(&self) {
        if self.open_streams.fetch_add(1, Relaxed) == 0 {
            self.idle.clear();
            self.idle.mark_idle();
        }
    }

    fn end_stream(&self) {
        if self.open_streams.fetch_sub(1, Relaxed) == 1 {
            self.idle.set_idle(self.settings.idle_h2);
        }
    }

    /// What the library has ended the connection for is told; that a client has gone is no news.
    fn note_violation(&self, error: &h2::Error) {
        if error.is_library() {
            self.around.service.connection_failed(Code::BadRequest, self.info.client, &error.to_string());
        }
    }

    fn is_streamless(&self) -> bool {
        self.open_streams.load(Relaxed) == 0
    }

    /// Counts a reset by the client; too many in a while end the connection.
    fn count_reset(&self) {
        let now = deadline::now_ms();
        let mut resets = self.resets.lock();
        resets.push_back(now);
        while resets.front().is_some_and(|at| now - at > RESET_PERIOD_MS) {
            resets.pop_front();
        }
        if resets.len() > self.settings.h2_max_resets as usize {
            self.is_abused.notify_one();
        }
    }
}

/// Ends the stream's count when the task ends, however it ends.
struct OpenStream<V: Service>(Arc<Shared<V>>);

impl<V: Service> Drop for OpenStream<V> {
    fn drop(&mut self) {
        self.0.end_stream();
    }
}

async fn serve_stream<V: Service>(
    shared: Arc<Shared<V>>,
    request: http::Request<RecvStream>,
    respond: SendResponse<Bytes>,
) {
    let _open = OpenStream(shared.clone());
    let _watch = PanicWatch(shared.around.service.clone());
    let deadline = shared.around.deadlines.watch();
    let (parts, body) = request.into_parts();
    let mut client = H2Client::new(body, respond, parts.method == http::Method::HEAD);
    let mut head = RequestHead::default();
    let limits =
        Limits { max_head_bytes: shared.settings.max_head_bytes, max_headers: shared.settings.max_headers };
    let protocol = parts.extensions.get::<h2::ext::Protocol>().map(h2::ext::Protocol::as_str);
    let is_ended = client.source.is_ended();
    let read = request_from_h2(&parts, protocol, is_ended, limits.max_headers, &mut head);
    let service = &shared.around.service;
    match read {
        Ok(()) => service.serve(&mut client, &head, &shared.info, &deadline).await,
        Err(code) => service.reject(&mut client, code, &head, &shared.info, &deadline).await,
    }
    if client.was_reset() {
        shared.count_reset();
    }
    client.end();
}

pub struct H2Client {
    source: H2Source,
    respond: SendResponse<Bytes>,
    sink: Option<H2Sink>,
    is_head_request: bool,
    was_reset: bool,
}

impl H2Client {
    fn new(body: RecvStream, respond: SendResponse<Bytes>, is_head_request: bool) -> Self {
        H2Client {
            source: H2Source::new(body, Code::ClientAborted),
            respond,
            sink: None,
            is_head_request,
            was_reset: false,
        }
    }

    /// An answer that is not whole is reset. Where only the upload is not, the library tells the client so when the
    /// stream is dropped and the answer has gone out; a reset from here would overtake the answer.
    fn end(&mut self) {
        match &mut self.sink {
            None => self.respond.send_reset(Reason::INTERNAL_ERROR),
            Some(sink) if !sink.is_ended() => sink.reset(Reason::INTERNAL_ERROR),
            Some(_) => {}
        }
    }

    /// The client has reset the stream, whether or not anybody was looking then.
    fn was_reset(&mut self) -> bool {
        self.was_reset || self.poll_gone(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    fn start(&mut self, head: &ResponseHead, request_id: &[u8], is_ended: bool) -> Result<(), Error> {
        let response = response_to_h2(head, request_id)?;
        let stream = self
            .respond
            .send_response(response, is_ended)
            .map_err(|e| Error::because(Code::ClientAborted, e))?;
        self.sink = Some(H2Sink::new(stream, is_ended, Code::ClientAborted));
        Ok(())
    }

    fn sink(&mut self) -> Result<&mut H2Sink, Error> {
        self.sink.as_mut().ok_or_else(|| Error::because(Code::Internal, "no response was begun"))
    }

    fn note<T>(&mut self, result: Result<T, Error>) -> Result<T, Error> {
        self.was_reset |= result.is_err();
        result
    }
}

impl ClientSide for H2Client {
    const IS_H1: bool = false;

    fn interim(&mut self, head: &ResponseHead) -> Result<(), Error> {
        let response = response_to_h2(head, b"")?;
        self.respond.send_informational(response).map_err(|e| Error::because(Code::ClientAborted, e))
    }

    fn start_response(&mut self, head: &ResponseHead, request_id: &[u8]) -> Result<Passing, Error> {
        let is_ended = head.framing == Framing::None || self.is_head_request;
        self.start(head, request_id, is_ended)?;
        Ok(Passing { raw: false })
    }

    fn start_tunnel(&mut self, head: &ResponseHead, request_id: &[u8]) -> Result<(), Error> {
        self.start(head, request_id, false)
    }

    fn end_after_response(&mut self) {}

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        let gone = match &mut self.sink {
            Some(sink) => ready!(sink.poll_reset(cx)),
            None => match ready!(self.respond.poll_reset(cx)) {
                Ok(reason) => Error::because(Code::ClientAborted, reason),
                Err(error) => Error::because(Code::ClientAborted, error),
            },
        };
        self.was_reset = true;
        Poll::Ready(gone)
    }
}

impl BodySource for H2Client {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Error>> {
        let piece = ready!(self.source.poll_piece(cx));
        Poll::Ready(self.note(piece))
    }

    fn trailers(&self) -> &Fields {
        self.source.trailers()
    }

    fn poll_raw(&mut self, _cx: &mut Context<'_>) -> Poll<Result<&[u8], Error>> {
        Poll::Ready(Err(Error::because(Code::Internal, "HTTP/2 bodies are not passed raw")))
    }

    fn consume_raw(&mut self, _count: usize) {}

    fn is_ended(&self) -> bool {
        self.source.is_ended()
    }
}

impl BodySink for H2Client {
    fn poll_send(&mut self, cx: &mut Context<'_>, piece: &mut Bytes) -> Poll<Result<(), Error>> {
        if self.is_head_request {
            piece.clear();
            return Poll::Ready(Ok(()));
        }
        let sent = ready!(self.sink()?.poll_send(cx, piece));
        Poll::Ready(self.note(sent))
    }

    fn poll_finish(
        &mut self,
        _cx: &mut Context<'_>,
        trailers: &Fields,
        _raw: bool,
    ) -> Poll<Result<(), Error>> {
        Poll::Ready(self.sink()?.finish(trailers))
    }

    fn poll_send_raw(&mut self, _cx: &mut Context<'_>, _bytes: &[u8]) -> Poll<Result<usize, Error>> {
        Poll::Ready(Err(Error::because(Code::Internal, "HTTP/2 bodies are not passed raw")))
    }

    fn poll_flush(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }
}
