//! One request over the link, as the server sees it that the client came to: the far server stands for the origin.

use crate::links::Seat;
use crate::record::{Calling, Failed, Kind, read_fields, read_response, trailers, write_call};
use crate::source::{Broken, LinkSource};
use bytes::{Bytes, BytesMut};
use egressway_core::side::{BodySink, BodySource, Leg, OriginSide, Outbound};
use egressway_core::{Code, Error, FieldName, Fields, Framing, RequestHead, ResponseHead};
use egressway_http1::websocket_accept;
use egressway_streams::H2Sink;
use h2::Reason;
use h2::client::ResponseFuture;
use http::{Method, Request};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Bytes of a request's body that are kept, and sent, before the far server has said that it has a connection: should
/// it have none, another server gets them.
pub const MOST_KEPT: usize = 64 * 1024;

/// What the failure of an exchange means for the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing of it was processed: the connection did not take it.
    Untouched,
    /// The far server says why it has no answer.
    Failed(Failed),
    /// The link broke, or fell silent; what became of the request is not known.
    Lost,
}

pub struct LinkExchange<'a> {
    seat: Seat,
    calling: Calling<'a>,
    response: Option<ResponseFuture>,
    sink: Option<H2Sink>,
    source: Option<LinkSource>,
    accept: Option<[u8; 28]>,
    is_tunnel: bool,
    /// What has been sent of the body while it may be needed again.
    kept: Vec<Bytes>,
    kept_bytes: usize,
    is_ready: bool,
    leg: Option<Leg>,
    verdict: Verdict,
    trailers: Fields,
}

impl<'a> LinkExchange<'a> {
    pub fn new(seat: Seat, calling: Calling<'a>) -> Self {
        LinkExchange {
            seat,
            calling,
            response: None,
            sink: None,
            source: None,
            accept: None,
            is_tunnel: false,
            kept: Vec::new(),
            kept_bytes: 0,
            is_ready: false,
            leg: None,
            verdict: Verdict::Untouched,
            trailers: Fields::default(),
        }
    }

    /// The connection that the far server has sent the request over.
    pub fn leg(&self) -> Option<&Leg> {
        self.leg.as_ref()
    }

    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// What has been sent of the body, if it is all still there; `None`: some is gone.
    pub fn take_kept(&mut self) -> Option<Bytes> {
        if self.is_ready {
            return None;
        }
        let mut joined = BytesMut::with_capacity(self.kept_bytes);
        self.kept.drain(..).for_each(|piece| joined.extend_from_slice(&piece));
        Some(joined.freeze())
    }

    /// The answer did not come in time.
    pub fn reset(&mut self) {
        if let Some(sink) = &mut self.sink {
            sink.reset(Reason::CANCEL);
        }
    }

    fn broken(&mut self, broken: &Broken) -> Error {
        if let Broken::Stream(error) = broken {
            let is_refused = error.is_reset() && error.reason() == Some(Reason::REFUSED_STREAM);
            if error.is_remote() && (is_refused || error.is_go_away()) {
                self.verdict = Verdict::Untouched;
            }
            if error.is_go_away() || error.is_io() {
                self.seat.retire();
            }
        }
        Error::because(Code::EgressServerLost, broken)
    }

    fn failed(&mut self, content: &[u8]) -> Error {
        let Some(failed) = Failed::read(content) else {
            return Error::because(Code::EgressServerLost, "a failure that cannot be read");
        };
        let code = failed.code.unwrap_or(Code::EgressServerUnreachable);
        let error = Error { code, cause: Some(failed.cause.clone()) };
        self.leg = failed.leg.or(self.leg);
        self.verdict = Verdict::Failed(failed);
        error
    }

    fn sink(&mut self) -> Result<&mut H2Sink, Error> {
        self.sink.as_mut().ok_or_else(|| Error::because(Code::Internal, "no request was begun"))
    }

    /// Everything of the body may go, and nothing of it will be needed again.
    fn go_on(&mut self, cx: &Context<'_>) {
        self.is_ready = true;
        self.kept = Vec::new();
        // The body may be waiting for this, in this very task.
        cx.waker().wake_by_ref();
    }

    fn poll_record(&mut self, cx: &mut Context<'_>) -> Poll<Result<(Kind, Bytes), Broken>> {
        if self.source.is_none() {
            let Some(future) = &mut self.response else {
                return Poll::Ready(Err(Broken::Record("no request was begun")));
            };
            let response = ready!(Pin::new(future).poll(cx)).map_err(Broken::Stream)?;
            self.source = Some(LinkSource::new(response.into_body()));
        }
        match &mut self.source {
            Some(source) => source.poll_record(cx),
            None => Poll::Pending,
        }
    }
}

impl Drop for LinkExchange<'_> {
    fn drop(&mut self) {
        let is_whole = self.source.as_ref().is_some_and(LinkSource::is_ended);
        if !is_whole || self.sink.as_ref().is_some_and(|sink| !sink.is_ended()) {
            self.reset();
        }
    }
}

impl OriginSide for LinkExchange<'_> {
    const IS_H1: bool = false;

    fn start_request(
        &mut self,
        head: &RequestHead,
        outbound: &Outbound<'_>,
        websocket_key: Option<&[u8]>,
    ) -> Result<(), Error> {
        self.accept = websocket_key.map(websocket_accept);
        let mut request = Request::new(());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.seat.uri.clone();
        *request.version_mut() = http::Version::HTTP_2;
        let mut record = Vec::with_capacity(1024);
        write_call(&mut record, &self.calling, outbound, head);
        let begun = self.seat.send.send_request(request, false);
        let (response, stream) = begun.map_err(|error| {
            self.seat.retire();
            Error::because(Code::EgressServerLost, error)
        })?;
        let is_all = head.framing == Framing::None && websocket_key.is_none();
        let mut sink = H2Sink::new(stream, false, Code::EgressServerLost);
        sink.push(record.into(), is_all)?;
        self.verdict = Verdict::Lost;
        self.response = Some(response);
        self.sink = Some(sink);
        Ok(())
    }

    fn poll_response(&mut self, cx: &mut Context<'_>, head: &mut ResponseHead) -> Poll<Result<(), Error>> {
        loop {
            let (kind, content) = ready!(self.poll_record(cx)).map_err(|broken| self.broken(&broken))?;
            let leg = match kind {
                Kind::Ready => {
                    self.go_on(cx);
                    continue;
                }
                Kind::Failed => return Poll::Ready(Err(self.failed(&content))),
                Kind::Interim | Kind::Response | Kind::Tunnel => read_response(&content, head),
                Kind::Request | Kind::Trailers | Kind::Passed => None,
            };
            let Some(leg) = leg else {
                let broken = Broken::Record("an answer that cannot be read");
                return Poll::Ready(Err(self.broken(&broken)));
            };
            self.leg = leg.or(self.leg);
            // The origin has the request.
            self.go_on(cx);
            if kind == Kind::Tunnel
                && let Some(accept) = &self.accept
            {
                // The origin has proved to the far server that it read that server's key.
                head.fields.remove(FieldName::SecWebSocketAccept);
                head.fields.push(b"Sec-WebSocket-Accept", accept);
            }
            return Poll::Ready(Ok(()));
        }
    }

    fn is_untouched(&self) -> bool {
        self.verdict == Verdict::Untouched
    }

    fn start_tunnel(&mut self) {
        self.is_tunnel = true;
    }

    fn byte_counts(&self) -> (u64, u64) {
        let sent = self.sink.as_ref().map_or(0, |sink| sink.sent) + self.kept_bytes as u64;
        (sent, self.source.as_ref().map_or(0, |source| source.received))
    }
}

impl BodySource for LinkExchange<'_> {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Error>> {
        let Some(source) = &mut self.source else { return Poll::Ready(Ok(None)) };
        let piece = ready!(source.poll_piece(cx)).map_err(|broken| self.broken(&broken))?;
        if piece.is_none()
            && let Some((kind, content)) = self.source.as_mut().and_then(|source| source.last.take())
        {
            match kind {
                Kind::Trailers if read_fields(&content, &mut self.trailers).is_some() => {}
                Kind::Failed => return Poll::Ready(Err(self.failed(&content))),
                _ => {
                    let broken = Broken::Record("trailers that cannot be read");
                    return Poll::Ready(Err(self.broken(&broken)));
                }
            }
        }
        Poll::Ready(Ok(piece))
    }

    fn trailers(&self) -> &Fields {
        &self.trailers
    }

    fn poll_raw(&mut self, _cx: &mut Context<'_>) -> Poll<Result<&[u8], Error>> {
        Poll::Ready(Err(Error::because(Code::Internal, "bodies on the link are not passed raw")))
    }

    fn consume_raw(&mut self, _count: usize) {}

    fn is_ended(&self) -> bool {
        self.source.as_ref().is_some_and(LinkSource::is_ended)
    }
}

impl BodySink for LinkExchange<'_> {
    fn poll_send(&mut self, cx: &mut Context<'_>, piece: &mut Bytes) -> Poll<Result<(), Error>> {
        if self.is_ready || self.is_tunnel {
            return self.sink()?.poll_send(cx, piece);
        }
        let room = MOST_KEPT - self.kept_bytes;
        let part = piece.split_to(room.min(piece.len()));
        if !part.is_empty() {
            self.kept_bytes += part.len();
            self.kept.push(part.clone());
            self.sink()?.push(part, false)?;
        }
        // More goes when the far server has a connection: its word wakes this task.
        if piece.is_empty() { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    fn poll_finish(&mut self, _cx: &mut Context<'_>, fields: &Fields, _raw: bool) -> Poll<Result<(), Error>> {
        // A tunnel that has not opened has no end yet.
        if self.sink()?.is_ended() || (self.accept.is_some() && !self.is_tunnel) {
            return Poll::Ready(Ok(()));
        }
        Poll::Ready(if fields.is_empty() {
            self.sink()?.push(Bytes::new(), true)
        } else {
            self.sink()?.finish_with(trailers(Kind::Trailers, |out| fields.write_to(out)))
        })
    }

    fn poll_send_raw(&mut self, _cx: &mut Context<'_>, _bytes: &[u8]) -> Poll<Result<usize, Error>> {
        Poll::Ready(Err(Error::because(Code::Internal, "bodies on the link are not passed raw")))
    }

    fn poll_flush(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }
}
