//! One direction's body in, the other direction's body out, over one HTTP/1 connection.

use crate::buffered::BufferedIo;
use bytes::{Buf, Bytes};
use egressway_core::{Code, Error, Fields, Framing};
use egressway_http1::{BodyReader, Piece, Role, write_chunk_end, write_chunk_header, write_last_chunk};
use std::io;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite};

/// Bytes of a piece, at most: what one stream of an HTTP/2 client makes us hold.
const PIECE: usize = 64 * 1024;

/// How the outgoing body is framed, and what is still owed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutFraming {
    None,
    Length(u64),
    Chunked,
    UntilClose,
    /// Ended; nothing more may follow.
    Ended,
}

impl From<Framing> for OutFraming {
    fn from(framing: Framing) -> Self {
        match framing {
            Framing::None => OutFraming::None,
            Framing::Length(length) => OutFraming::Length(length),
            Framing::Chunked => OutFraming::Chunked,
            Framing::UntilClose => OutFraming::UntilClose,
        }
    }
}

/// Maps broken connections to the codes of the side this stream belongs to.
#[derive(Debug, Clone, Copy)]
pub struct Faults {
    pub closed: Code,
    pub role: Role,
}

pub struct H1Stream<S> {
    pub io: BufferedIo<S>,
    faults: Faults,
    reader: BodyReader,
    /// Leading buffered bytes that `reader` has passed and nobody has consumed.
    passed: usize,
    out: OutFraming,
}

impl<S: AsyncRead + AsyncWrite + Unpin> H1Stream<S> {
    pub fn new(io: BufferedIo<S>, faults: Faults) -> Self {
        let reader = BodyReader::new(Framing::None, faults.role);
        H1Stream { io, faults, reader, passed: 0, out: OutFraming::Ended }
    }

    pub fn fault(&self, error: &io::Error) -> Error {
        Error::because(self.faults.closed, error)
    }

    /// What comes in now is a body framed so.
    pub fn expect_body(&mut self, framing: Framing) {
        self.reader = BodyReader::new(framing, self.faults.role);
        self.passed = 0;
    }

    /// What goes out now is a body framed so.
    pub fn begin_body(&mut self, framing: Framing) {
        self.out = framing.into();
    }

    pub fn is_body_read(&self) -> bool {
        self.reader.is_done() && self.passed == 0
    }

    pub fn is_body_written(&self) -> bool {
        self.out == OutFraming::Ended
    }

    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let count = ready!(self.io.poll_fill_body(cx)).map_err(|e| self.fault(&e))?;
        if count == 0 {
            self.reader.eof().map_err(|_| Error::because(self.faults.closed, "the body was cut short"))?;
        }
        Poll::Ready(Ok(()))
    }

    pub fn poll_raw(&mut self, cx: &mut Context<'_>) -> Poll<Result<&[u8], Error>> {
        while self.passed == 0 && !self.reader.is_done() {
            if self.io.buffered().is_empty() {
                ready!(self.poll_more(cx))?;
            } else {
                self.passed = self.reader.pass(self.io.buffered())?;
            }
        }
        Poll::Ready(Ok(&self.io.buffered()[..self.passed]))
    }

    pub fn consume_raw(&mut self, count: usize) {
        self.passed -= count;
        self.io.consume(count);
    }

    pub fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Error>> {
        loop {
            if self.reader.is_done() {
                return Poll::Ready(Ok(None));
            }
            if self.io.buffered().is_empty() {
                ready!(self.poll_more(cx))?;
                continue;
            }
            let buffered = self.io.buffered();
            match self.reader.next(&buffered[..buffered.len().min(PIECE)])? {
                Piece::More { consumed } => self.io.consume(consumed),
                Piece::End { consumed } => self.io.consume(consumed),
                Piece::Data { consumed, data } => {
                    let piece = Bytes::copy_from_slice(&self.io.buffered()[data]);
                    self.io.consume(consumed);
                    return Poll::Ready(Ok(Some(piece)));
                }
            }
        }
    }

    pub fn trailers(&self) -> &Fields {
        self.reader.trailers()
    }

    pub fn poll_send(&mut self, cx: &mut Context<'_>, piece: &mut Bytes) -> Poll<Result<(), Error>> {
        while piece.has_remaining() {
            match self.out {
                OutFraming::Chunked => {
                    ready!(self.io.poll_room(cx)).map_err(|e| self.fault(&e))?;
                    let output = self.io.output();
                    write_chunk_header(output, piece.len());
                    output.extend_from_slice(piece);
                    write_chunk_end(output);
                    piece.clear();
                }
                OutFraming::Length(left) if left >= piece.len() as u64 => {
                    let count = ready!(self.io.poll_write(cx, piece)).map_err(|e| self.fault(&e))?;
                    self.out = OutFraming::Length(left - count as u64);
                    piece.advance(count);
                }
                OutFraming::UntilClose => {
                    let count = ready!(self.io.poll_write(cx, piece)).map_err(|e| self.fault(&e))?;
                    piece.advance(count);
                }
                OutFraming::None | OutFraming::Length(_) | OutFraming::Ended => {
                    return Poll::Ready(Err(Error::because(Code::Internal, "body longer than announced")));
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    /// The caller passes bytes whose framing equals ours; only the sum of a fixed length is kept here.
    pub fn poll_send_raw(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, Error>> {
        let count = ready!(self.io.poll_write(cx, bytes)).map_err(|e| self.fault(&e))?;
        if let OutFraming::Length(left) = self.out {
            self.out = OutFraming::Length(left - count as u64);
        }
        Poll::Ready(Ok(count))
    }

    /// Ends the body. `raw`: a chunked body's last chunk has been passed already.
    pub fn poll_finish(
        &mut self,
        cx: &mut Context<'_>,
        trailers: &Fields,
        raw: bool,
    ) -> Poll<Result<(), Error>> {
        match self.out {
            OutFraming::Chunked if !raw => write_last_chunk(self.io.output(), trailers),
            OutFraming::Length(1..) => {
                return Poll::Ready(Err(Error::because(Code::Internal, "body shorter than announced")));
            }
            _ => {}
        }
        self.out = OutFraming::Ended;
        self.io.poll_flush(cx).map_err(|e| self.fault(&e))
    }

    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.io.poll_flush(cx).map_err(|e| Error::because(self.faults.closed, e))
    }
}
