//! What comes in on a stream of the link: records, then a body, then perhaps one record more.

use crate::record::{Kind, MOST_BYTES, PREFIX, read_trailers};
use bytes::{Buf, Bytes, BytesMut};
use h2::{Reason, RecvStream};
use std::fmt;
use std::task::{Context, Poll, ready};

/// The stream ended other than as agreed.
#[derive(Debug)]
pub(crate) enum Broken {
    Stream(h2::Error),
    Record(&'static str),
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Broken::Stream(error) => error.fmt(f),
            Broken::Record(what) => f.write_str(what),
        }
    }
}

pub(crate) struct LinkSource {
    stream: RecvStream,
    buffered: Bytes,
    is_ended: bool,
    /// The record behind the body.
    pub last: Option<(Kind, Vec<u8>)>,
    pub received: u64,
}

impl LinkSource {
    pub fn new(stream: RecvStream) -> Self {
        let is_ended = stream.is_end_stream();
        LinkSource { stream, buffered: Bytes::new(), is_ended, last: None, received: 0 }
    }

    /// All has been taken.
    pub fn is_ended(&self) -> bool {
        self.buffered.is_empty() && (self.is_ended || self.stream.is_end_stream())
    }

    /// The next record ahead of the body.
    pub fn poll_record(&mut self, cx: &mut Context<'_>) -> Poll<Result<(Kind, Bytes), Broken>> {
        loop {
            if let Some((kind, length)) = self.record_begun()? {
                self.buffered.advance(PREFIX);
                return Poll::Ready(Ok((kind, self.buffered.split_to(length))));
            }
            match ready!(self.poll_data(cx))? {
                Some(more) if self.buffered.is_empty() => self.buffered = more,
                Some(more) => {
                    let mut joined = BytesMut::with_capacity(self.buffered.len() + more.len());
                    joined.extend_from_slice(&self.buffered);
                    joined.extend_from_slice(&more);
                    self.buffered = joined.freeze();
                }
                None => match self.last.take() {
                    Some((kind, content)) => return Poll::Ready(Ok((kind, content.into()))),
                    None => return Poll::Ready(Err(Broken::Record("the stream ended without an answer"))),
                },
            }
        }
    }

    /// Kind and length of the content of a record that is there as a whole.
    fn record_begun(&self) -> Result<Option<(Kind, usize)>, Broken> {
        let Some(prefix) = self.buffered.first_chunk::<PREFIX>() else { return Ok(None) };
        let [a, b, c, d, kind] = *prefix;
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        if !(1..=MOST_BYTES).contains(&length) {
            return Err(Broken::Record("a record is longer than any may be"));
        }
        let kind = Kind::of(kind).ok_or(Broken::Record("a record of an unknown kind"))?;
        Ok((self.buffered.len() >= length + PREFIX - 1).then_some((kind, length - 1)))
    }

    /// The next piece of the body; `None` at its end, when `last` is complete.
    pub fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Broken>> {
        if !self.buffered.is_empty() {
            let piece = std::mem::take(&mut self.buffered);
            self.received += piece.len() as u64;
            return Poll::Ready(Ok(Some(piece)));
        }
        let piece = ready!(self.poll_data(cx))?;
        self.received += piece.as_ref().map_or(0, Bytes::len) as u64;
        Poll::Ready(Ok(piece))
    }

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Broken>> {
        while !self.is_ended {
            match ready!(self.stream.poll_data(cx)) {
                Some(Ok(piece)) => {
                    let _ = self.stream.flow_control().release_capacity(piece.len());
                    if !piece.is_empty() {
                        return Poll::Ready(Ok(Some(piece)));
                    }
                }
                Some(Err(error)) if error.reason() == Some(Reason::NO_ERROR) => self.is_ended = true,
                Some(Err(error)) => return Poll::Ready(Err(Broken::Stream(error))),
                None => {
                    let trailers = ready!(self.stream.poll_trailers(cx)).map_err(Broken::Stream)?;
                    self.last = trailers.and_then(|map| read_trailers(&map));
                    self.is_ended = true;
                }
            }
        }
        Poll::Ready(Ok(None))
    }
}
