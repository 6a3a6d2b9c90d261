//! An HTTP/1.1 connection to an origin: one exchange at a time, kept between them.

use crate::stream::OriginStream;
use bytes::Bytes;
use egressway_core::side::{BodySink, BodySource, OriginSide, OriginSocket, Outbound};
use egressway_core::{Code, Error, Fields, Framing, RequestHead, ResponseHead};
use egressway_http1::{Asked, Limits, Role, ToOrigin, parse_response, write_request};
use egressway_streams::h1::Faults;
use egressway_streams::{BufferedIo, H1Stream};
use std::io;
use std::task::{Context, Poll, ready};

const RESPONSE_LIMITS: Limits = Limits { max_head_bytes: 64 * 1024, max_headers: 200 };

pub struct H1Connection<S> {
    stream: H1Stream<OriginStream<S>>,
    asked: Asked,
    /// After the current response the origin keeps the connection.
    keep_alive: bool,
    is_tunnel: bool,
    /// `io` counters when the current request began.
    sent_before: u64,
    received_before: u64,
}

impl<S: OriginSocket> H1Connection<S> {
    pub fn new(stream: OriginStream<S>) -> Self {
        let faults = Faults { closed: Code::OriginClosed, role: Role::Response };
        H1Connection {
            stream: H1Stream::new(BufferedIo::new(stream), faults),
            asked: Asked { head_request: false, upgrade: false },
            keep_alive: false,
            is_tunnel: false,
            sent_before: 0,
            received_before: 0,
        }
    }

    pub fn socket(&self) -> &S {
        self.stream.io.stream().socket()
    }

    pub fn rehome(&mut self) -> io::Result<()> {
        self.stream.io.stream_mut().rehome()
    }

    /// Idle as it should be: nothing buffered, no end, no stray bytes.
    pub fn is_quiet(&mut self) -> bool {
        self.stream.io.buffered().is_empty()
            && !self.stream.io.is_eof()
            && self.stream.io.stream_mut().is_quiet()
    }

    /// The exchange has ended cleanly and another may follow (`data-plane.md` section 6, "Idle").
    pub fn is_reusable(&self) -> bool {
        self.keep_alive
            && !self.is_tunnel
            && self.stream.is_body_read()
            && self.stream.is_body_written()
            && self.stream.io.buffered().is_empty()
            && !self.stream.io.has_output()
            && !self.stream.io.is_eof()
    }

    /// Gives large buffers back before the connection goes idle.
    pub fn relax(&mut self) {
        self.stream.io.relax();
    }
}

impl<S: OriginSocket> OriginSide for H1Connection<S> {
    const IS_H1: bool = true;

    fn start_request(
        &mut self,
        head: &RequestHead,
        outbound: &Outbound<'_>,
        websocket_key: Option<&[u8]>,
    ) -> Result<(), Error> {
        self.keep_alive = false;
        self.sent_before = self.stream.io.sent;
        self.received_before = self.stream.io.received;
        self.asked = Asked {
            head_request: head.method == egressway_core::Method::Head,
            upgrade: websocket_key.is_some(),
        };
        let framing = if websocket_key.is_some() { Framing::None } else { head.framing };
        let to = ToOrigin {
            host: outbound.host,
            forwarded_for: outbound.forwarded_for,
            forwarded_proto: outbound.forwarded_proto,
            forwarded: outbound.forwarded,
            request_id: outbound.request_id,
            cdn_loop: outbound.cdn_loop,
            framing,
            websocket_key,
            expect_continue: head.expects_continue,
        };
        write_request(self.stream.io.output(), head, &to);
        self.stream.begin_body(framing);
        self.stream.expect_body(Framing::None);
        Ok(())
    }

    fn poll_response(&mut self, cx: &mut Context<'_>, head: &mut ResponseHead) -> Poll<Result<(), Error>> {
        loop {
            if !self.stream.io.buffered().is_empty() {
                let parsed = parse_response(self.stream.io.buffered(), &RESPONSE_LIMITS, self.asked, head)?;
                if let Some(consumed) = parsed {
                    self.stream.io.consume(consumed);
                    if !head.is_interim() {
                        self.keep_alive = head.keep_alive;
                        self.stream.expect_body(head.framing);
                    }
                    return Poll::Ready(Ok(()));
                }
            }
            let limit = RESPONSE_LIMITS.max_head_bytes + 1024;
            let count = ready!(self.stream.io.poll_fill(cx, limit)).map_err(|e| self.stream.fault(&e))?;
            if count == 0 {
                return Poll::Ready(Err(Error::because(
                    Code::OriginClosed,
                    "closed before a whole response head",
                )));
            }
        }
    }

    fn is_untouched(&self) -> bool {
        self.stream.io.sent == self.sent_before
    }

    fn start_tunnel(&mut self) {
        self.is_tunnel = true;
        self.stream.expect_body(Framing::UntilClose);
        self.stream.begin_body(Framing::UntilClose);
    }

    fn byte_counts(&self) -> (u64, u64) {
        (self.stream.io.sent - self.sent_before, self.stream.io.received - self.received_before)
    }
}

impl<S: OriginSocket> BodySource for H1Connection<S> {
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

impl<S: OriginSocket> BodySink for H1Connection<S> {
    fn poll_send(&mut self, cx: &mut Context<'_>, piece: &mut Bytes) -> Poll<Result<(), Error>> {
        self.stream.poll_send(cx, piece)
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>, trailers: &Fields, raw: bool) -> Poll<Result<(), Error>> {
        if self.is_tunnel {
            return self.stream.io.poll_shutdown(cx).map_err(|e| Error::because(Code::OriginClosed, e));
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
