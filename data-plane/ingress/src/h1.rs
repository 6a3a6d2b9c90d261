//! HTTP/1 clients: one request at a time, in order, on one connection.

use crate::connection::Surroundings;
use crate::service::{ConnectionInfo, IngressSettings, Service};
use bytes::Bytes;
use egressway_core::side::{BodySink, BodySource, ClientSide, Passing};
use egressway_core::{
    Code, Deadline, Deadlines, Error, Fields, Framing, Method, RequestHead, ResponseHead, Version,
};
use egressway_http1::{Limits, Role, ToClient, parse_request, websocket_accept, write_response};
use egressway_streams::h1::Faults;
use egressway_streams::{BufferedIo, H1Stream};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

/// After an error answer the client may still be sending; its bytes are read and thrown away for so long, lest a
/// reset destroys the answer before it is read.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 256 * 1024;

pub struct H1Client<S> {
    stream: H1Stream<S>,
    version: Version,
    is_head_request: bool,
    websocket_key: Vec<u8>,
    /// Another request may follow.
    keep_alive: bool,
    worker: Arc<Deadlines>,
    has_response: bool,
    is_tunnel: bool,
}

/// What waiting for a request came to.
enum Awaited {
    Request,
    /// The client closed between requests, or stayed idle too long.
    Over,
    Failed(Code),
}

/// Serves requests until the connection ends.
pub async fn serve_h1<S, V>(
    around: &Surroundings<V>,
    io: BufferedIo<S>,
    info: &ConnectionInfo,
    settings: &IngressSettings,
    deadline: &Deadline,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    V: Service,
{
    let limits = Limits { max_head_bytes: settings.max_head_bytes, max_headers: settings.max_headers };
    let mut client = H1Client::new(io, around.deadlines.clone());
    let mut head = RequestHead::default();
    let mut left = settings.max_requests;
    loop {
        match client.read_request(&mut head, &limits, settings, deadline, left == settings.max_requests).await
        {
            Awaited::Request => {}
            Awaited::Over => return,
            Awaited::Failed(Code::BadRequest) if left == settings.max_requests && !client.speaks_http() => {
                return around.service.connection_failed(Code::BadRequest, info.client, "this is not HTTP");
            }
            Awaited::Failed(code) => {
                client.begin_exchange(&head);
                client.keep_alive = false;
                around.service.reject(&mut client, code, &head, info, deadline).await;
                break;
            }
        }
        left = left.saturating_sub(1);
        client.begin_exchange(&head);
        client.keep_alive &= left > 0;
        // The head has come; what is waited for next has limits of its own, and is not idleness.
        deadline.clear();
        around.service.serve(&mut client, &head, info, deadline).await;
        if !client.may_continue() {
            break;
        }
        client.stream.io.relax();
    }
    client.close(deadline).await;
}

impl<S: AsyncRead + AsyncWrite + Unpin> H1Client<S> {
    fn new(io: BufferedIo<S>, worker: Arc<Deadlines>) -> Self {
        let faults = Faults { closed: Code::ClientAborted, role: Role::Request };
        H1Client {
            stream: H1Stream::new(io, faults),
            version: Version::Http11,
            is_head_request: false,
            websocket_key: Vec::new(),
            keep_alive: false,
            worker,
            has_response: false,
            is_tunnel: false,
        }
    }

    /// Waits for a whole head: idle until its first byte, then within one deadline for all of it.
    async fn read_request(
        &mut self,
        head: &mut RequestHead,
        limits: &Limits,
        settings: &IngressSettings,
        deadline: &Deadline,
        is_first: bool,
    ) -> Awaited {
        let mut is_begun = !self.stream.io.buffered().is_empty();
        if is_begun && is_first {
            // What was read to find out the protocol has started the deadline.
        } else if is_begun {
            deadline.set(settings.head);
        } else if is_first {
            deadline.set_first(settings.head);
        } else {
            deadline.set_idle(settings.idle_h1);
        }
        loop {
            if !self.stream.io.buffered().is_empty() {
                match parse_request(self.stream.io.buffered(), limits, head) {
                    Ok(Some(consumed)) => {
                        self.stream.io.consume(consumed);
                        return Awaited::Request;
                    }
                    Ok(None) => {}
                    Err(code) => return Awaited::Failed(code),
                }
                if !is_begun {
                    is_begun = true;
                    deadline.set(settings.head);
                }
            }
            let fill = poll_fn(|cx| self.stream.io.poll_fill(cx, limits.max_head_bytes + 1024));
            match deadline.guard(fill).await {
                Ok(Ok(1..)) => {}
                Ok(_) if is_begun => return Awaited::Failed(Code::ClientAborted),
                Err(_) if is_begun => {
                    head.clear();
                    return Awaited::Failed(Code::RequestTimeout);
                }
                _ => return Awaited::Over,
            }
        }
    }

    /// Not the three words of another protocol's first line, neither a target nor a version among them. Who speaks
    /// another protocol would not understand an answer in HTTP/1; an HTTP/2 client with a broken preface is the
    /// most likely one.
    fn speaks_http(&self) -> bool {
        let line = self.stream.io.buffered().split(|byte| *byte == b'\r').next().unwrap_or_default();
        let mut words = line.split(|byte| *byte == b' ').skip(1);
        match (words.next(), words.next(), words.next()) {
            (Some(target), Some(version), None) => {
                version.starts_with(b"HTTP/")
                    || matches!(target, [b'/' | b'*', ..])
                    || target.windows(3).any(|window| window == b"://")
            }
            _ => true,
        }
    }

    fn begin_exchange(&mut self, head: &RequestHead) {
        self.version = head.version;
        self.is_head_request = head.method == Method::Head;
        self.keep_alive = head.keep_alive;
        self.has_response = false;
        self.websocket_key.clear();
        if let Some(key) = head.fields.get(egressway_core::FieldName::SecWebSocketKey) {
            self.websocket_key.extend_from_slice(key);
        }
        self.stream.expect_body(head.framing);
    }

    /// The exchange ended cleanly on both sides.
    fn may_continue(&self) -> bool {
        self.keep_alive && self.has_response && self.stream.is_body_written() && self.stream.is_body_read()
    }

    /// Ends the connection so that what was written arrives.
    async fn close(&mut self, deadline: &Deadline) {
        deadline.set(LINGER);
        let io = &mut self.stream.io;
        let before = io.received;
        let lingered = deadline.guard(poll_fn(|cx| {
            ready!(io.poll_shutdown(cx))?;
            while !io.is_eof() && io.received - before < LINGER_BYTES as u64 {
                let unread = io.buffered().len();
                io.consume(unread);
                ready!(io.poll_fill(cx, LINGER_BYTES))?;
            }
            Poll::Ready(std::io::Result::Ok(()))
        }));
        let _ = lingered.await;
    }

    fn start(&mut self, head: &ResponseHead, framing: Framing, request_id: &[u8], accept: Option<&[u8]>) {
        let to = ToClient {
            version: self.version,
            framing,
            keep_alive: self.keep_alive,
            request_id,
            websocket_accept: accept,
        };
        write_response(self.stream.io.output(), head, &to);
        self.stream.begin_body(framing);
        self.has_response = true;
    }

    /// The origin's framing in words of the client's version.
    fn framing_for(&self, head: &ResponseHead) -> Framing {
        match (head.framing, self.version) {
            (Framing::Chunked | Framing::UntilClose, Version::Http10) => Framing::UntilClose,
            (Framing::UntilClose, _) => Framing::Chunked,
            (framing, _) => framing,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> ClientSide for H1Client<S> {
    const IS_H1: bool = true;

    fn interim(&mut self, head: &ResponseHead) -> Result<(), Error> {
        if self.version == Version::Http11 {
            let to = ToClient {
                version: self.version,
                framing: Framing::None,
                keep_alive: true,
                request_id: b"",
                websocket_accept: None,
            };
            write_response(self.stream.io.output(), head, &to);
        }
        Ok(())
    }

    fn start_response(&mut self, head: &ResponseHead, request_id: &[u8]) -> Result<Passing, Error> {
        let framing = self.framing_for(head);
        self.keep_alive &= framing != Framing::UntilClose && !self.worker.is_draining();
        self.start(head, framing, request_id, None);
        Ok(Passing { raw: framing == head.framing })
    }

    fn start_tunnel(&mut self, head: &ResponseHead, request_id: &[u8]) -> Result<(), Error> {
        let accept = websocket_accept(&self.websocket_key);
        self.keep_alive = false;
        self.start(head, Framing::None, request_id, Some(&accept));
        self.stream.begin_body(Framing::UntilClose);
        self.stream.expect_body(Framing::UntilClose);
        self.is_tunnel = true;
        Ok(())
    }

    fn end_after_response(&mut self) {
        self.keep_alive = false;
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        // Pipelined bytes are left alone: only one buffer of them is held, and the end is seen behind them.
        if !self.stream.io.buffered().is_empty() {
            return Poll::Pending;
        }
        match ready!(self.stream.io.poll_fill(cx, 0)) {
            Ok(0) => Poll::Ready(Error::because(Code::ClientAborted, "closed while waiting")),
            Ok(_) => Poll::Pending,
            Err(error) => Poll::Ready(self.stream.fault(&error)),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> BodySource for H1Client<S> {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Error>> {
        self.stream.poll_piece(cx)
    }

    fn trailers(&self) -> &Fields {
        self.stream.trailers()
    }

    fn poll_raw(&mut self, cx: &mut Context<'_>) -> Poll<Result<&[u8], Error>> {
        self.stream.poll_raw(cx)
    }

    fn consume_raw(&mut self, count: usize) {
        self.stream.consume_raw(count);
    }

    fn is_ended(&self) -> bool {
        self.stream.is_body_read()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> BodySink for H1Client<S> {
    fn poll_send(&mut self, cx: &mut Context<'_>, piece: &mut Bytes) -> Poll<Result<(), Error>> {
        if self.is_head_request {
            piece.clear();
            return Poll::Ready(Ok(()));
        }
        self.stream.poll_send(cx, piece)
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>, trailers: &Fields, raw: bool) -> Poll<Result<(), Error>> {
        if self.is_tunnel {
            return self.stream.io.poll_shutdown(cx).map_err(|e| Error::because(Code::ClientAborted, e));
        }
        self.stream.poll_finish(cx, trailers, raw)
    }

    fn poll_send_raw(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, Error>> {
        self.stream.poll_send_raw(cx, bytes)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.stream.poll_flush(cx)
    }
}
