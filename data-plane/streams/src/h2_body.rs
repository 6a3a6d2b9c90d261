//! Bodies of HTTP/2 streams: flow control, trailers, resets.

use bytes::{Buf, Bytes};
use egressway_core::{Code, Error, Fields};
use egressway_http2::{trailers_from_h2, trailers_to_h2};
use h2::{Reason, RecvStream, SendStream};
use http::HeaderMap;
use std::task::{Context, Poll, ready};

/// The peer ended the stream on purpose, or went away.
pub fn is_reset_by_peer(error: &h2::Error) -> bool {
    error.is_remote() || error.is_io() || error.is_go_away()
}

/// A body that comes in on a stream.
pub struct H2Source {
    stream: RecvStream,
    trailers: Fields,
    is_ended: bool,
    closed: Code,
    pub received: u64,
}

impl H2Source {
    /// `closed`: what it means when the stream breaks.
    pub fn new(stream: RecvStream, closed: Code) -> Self {
        let is_ended = stream.is_end_stream();
        H2Source { stream, trailers: Fields::default(), is_ended, closed, received: 0 }
    }

    pub fn is_ended(&self) -> bool {
        self.is_ended
    }

    pub fn trailers(&self) -> &Fields {
        &self.trailers
    }

    pub fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Error>> {
        while !self.is_ended {
            match ready!(self.stream.poll_data(cx)) {
                Some(Ok(piece)) if piece.is_empty() => {}
                Some(Ok(piece)) => {
                    self.received += piece.len() as u64;
                    let _ = self.stream.flow_control().release_capacity(piece.len());
                    return Poll::Ready(Ok(Some(piece)));
                }
                Some(Err(error)) if error.reason() == Some(Reason::NO_ERROR) => self.is_ended = true,
                Some(Err(error)) => return Poll::Ready(Err(Error::because(self.closed, error))),
                None => {
                    if let Some(map) =
                        ready!(self.stream.poll_trailers(cx)).map_err(|e| Error::because(self.closed, e))?
                    {
                        trailers_from_h2(&map, &mut self.trailers);
                    }
                    self.is_ended = true;
                }
            }
        }
        Poll::Ready(Ok(None))
    }
}

/// A body that goes out on a stream.
pub struct H2Sink {
    stream: SendStream<Bytes>,
    is_ended: bool,
    closed: Code,
    pub sent: u64,
}

impl H2Sink {
    pub fn new(stream: SendStream<Bytes>, is_ended: bool, closed: Code) -> Self {
        H2Sink { stream, is_ended, closed, sent: 0 }
    }

    pub fn is_ended(&self) -> bool {
        self.is_ended
    }

    pub fn poll_send(&mut self, cx: &mut Context<'_>, piece: &mut Bytes) -> Poll<Result<(), Error>> {
        while piece.has_remaining() {
            self.stream.reserve_capacity(piece.len());
            let mut room = self.stream.capacity();
            if room == 0 {
                room = match ready!(self.stream.poll_capacity(cx)) {
                    Some(Ok(room)) => room,
                    Some(Err(error)) => return Poll::Ready(Err(Error::because(self.closed, error))),
                    None => return Poll::Ready(Err(Error::because(self.closed, "the stream has ended"))),
                };
            }
            if room == 0 {
                continue;
            }
            let part = piece.split_to(room.min(piece.len()));
            self.sent += part.len() as u64;
            self.stream.send_data(part, false).map_err(|e| Error::because(self.closed, e))?;
        }
        Poll::Ready(Ok(()))
    }

    pub fn finish(&mut self, trailers: &Fields) -> Result<(), Error> {
        if self.is_ended {
            return Ok(());
        }
        self.is_ended = true;
        let sent = if trailers.is_empty() {
            self.stream.send_data(Bytes::new(), true)
        } else {
            self.stream.send_trailers(trailers_to_h2(trailers))
        };
        sent.map_err(|e| Error::because(self.closed, e))
    }

    /// Sends `bytes` without waiting for room: for what is small beside the room that a stream begins with.
    pub fn push(&mut self, bytes: Bytes, is_last: bool) -> Result<(), Error> {
        self.is_ended = is_last;
        self.stream.send_data(bytes, is_last).map_err(|e| Error::because(self.closed, e))
    }

    /// Ends the body with `trailers` as they are.
    pub fn finish_with(&mut self, trailers: HeaderMap) -> Result<(), Error> {
        self.is_ended = true;
        self.stream.send_trailers(trailers).map_err(|e| Error::because(self.closed, e))
    }

    /// Ready when the peer has reset the stream.
    pub fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        match ready!(self.stream.poll_reset(cx)) {
            Ok(reason) => Poll::Ready(Error::because(self.closed, reason)),
            Err(error) => Poll::Ready(Error::because(self.closed, error)),
        }
    }

    pub fn reset(&mut self, reason: Reason) {
        self.stream.send_reset(reason);
    }
}
