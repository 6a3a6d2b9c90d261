//! Where a body begins and ends in a stream of bytes, and how to frame one.

use crate::chunked::{Chunked, Violation};
use crate::write::write_field;
use egressway_core::hygiene::is_trailer_allowed;
use egressway_core::{Code, Fields, Framing};
use std::ops::Range;

/// Whose body it is, which decides whose fault a violation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Request,
    Response,
}

/// The next part of a body.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    /// Only framing so far; more bytes are needed.
    More { consumed: usize },
    /// `consumed` counts the data and the framing before it.
    Data { consumed: usize, data: Range<usize> },
    /// The body has ended within `consumed` bytes.
    End { consumed: usize },
}

#[derive(Debug)]
enum State {
    Length(u64),
    Chunked(Chunked),
    UntilClose,
    Done,
}

/// Follows one body through whatever pieces arrive, without copying.
#[derive(Debug)]
pub struct BodyReader {
    state: State,
    role: Role,
    none: Fields,
}

impl BodyReader {
    pub fn new(framing: Framing, role: Role) -> Self {
        let state = match framing {
            Framing::None | Framing::Length(0) => State::Done,
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::Chunked(Chunked::new()),
            Framing::UntilClose => State::UntilClose,
        };
        BodyReader { state, role, none: Fields::default() }
    }

    pub fn is_done(&self) -> bool {
        match &self.state {
            State::Done => true,
            State::Chunked(chunked) => chunked.is_done(),
            State::Length(_) | State::UntilClose => false,
        }
    }

    /// How many leading bytes of `buf` belong to this body, framing included, all of it checked. For a relay
    /// that keeps the framing. Each byte is to be offered once.
    ///
    /// # Errors
    /// `bad_request` or `origin_protocol`: the chunked coding is violated. The connection cannot be used again.
    pub fn pass(&mut self, buf: &[u8]) -> Result<usize, Code> {
        match &mut self.state {
            State::Done => Ok(0),
            State::UntilClose => Ok(buf.len()),
            State::Length(left) => {
                let count = take(left, buf.len());
                self.settle();
                Ok(count)
            }
            State::Chunked(chunked) => {
                let mut passed = 0;
                while passed < buf.len() && !chunked.is_done() {
                    let step = chunked.step(&buf[passed..]).map_err(|v| fault(v, self.role))?;
                    passed += step.consumed;
                }
                Ok(passed)
            }
        }
    }

    /// The next piece of data in `buf`, for a relay that changes the framing; ranges are of `buf`. What has been
    /// consumed is not to be offered again.
    ///
    /// # Errors
    /// As [`BodyReader::pass`].
    pub fn next(&mut self, buf: &[u8]) -> Result<Piece, Code> {
        let piece = match &mut self.state {
            State::Done => Piece::End { consumed: 0 },
            State::UntilClose if buf.is_empty() => Piece::More { consumed: 0 },
            State::UntilClose => Piece::Data { consumed: buf.len(), data: 0..buf.len() },
            State::Length(_) if buf.is_empty() => Piece::More { consumed: 0 },
            State::Length(left) => {
                let count = take(left, buf.len());
                Piece::Data { consumed: count, data: 0..count }
            }
            State::Chunked(chunked) => {
                let step = chunked.step(buf).map_err(|v| fault(v, self.role))?;
                match step.data {
                    Some(data) => Piece::Data { consumed: step.consumed, data },
                    None if chunked.is_done() => Piece::End { consumed: step.consumed },
                    None => Piece::More { consumed: step.consumed },
                }
            }
        };
        self.settle();
        Ok(piece)
    }

    fn settle(&mut self) {
        if matches!(self.state, State::Length(0)) {
            self.state = State::Done;
        }
    }

    /// The stream has ended, and with it a body that lasts as long as the stream.
    ///
    /// # Errors
    /// `client_aborted` or `origin_closed`: the body was cut short.
    pub fn eof(&mut self) -> Result<(), Code> {
        match self.state {
            State::UntilClose => {
                self.state = State::Done;
                Ok(())
            }
            _ if self.is_done() => Ok(()),
            _ => Err(if self.role == Role::Request { Code::ClientAborted } else { Code::OriginClosed }),
        }
    }

    /// Fields after a chunked body; complete once the body is done.
    pub fn trailers(&self) -> &Fields {
        match &self.state {
            State::Chunked(chunked) => chunked.trailers().unwrap_or(&self.none),
            _ => &self.none,
        }
    }
}

fn take(left: &mut u64, available: usize) -> usize {
    let count = usize::try_from(*left).unwrap_or(usize::MAX).min(available);
    *left -= count as u64;
    count
}

const fn fault(_: Violation, role: Role) -> Code {
    match role {
        Role::Request => Code::BadRequest,
        Role::Response => Code::OriginProtocol,
    }
}

/// Begins a chunk of `length` bytes, which may not be 0: that would end the body. The data and
/// [`write_chunk_end`] follow.
pub fn write_chunk_header(out: &mut Vec<u8>, length: usize) {
    debug_assert!(length > 0, "an empty chunk ends the body");
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let count = (usize::BITS - length.leading_zeros()).div_ceil(4);
    out.extend((0..count).rev().map(|place| DIGITS[(length >> (4 * place)) & 15]));
    out.extend_from_slice(b"\r\n");
}

/// Ends a chunk.
pub fn write_chunk_end(out: &mut Vec<u8>) {
    out.extend_from_slice(b"\r\n");
}

/// Ends a chunked body. Trailers that belong to one hop or could pass for header fields that route or frame are
/// left out (RFC 9110 section 6.5.1).
pub fn write_last_chunk(out: &mut Vec<u8>, trailers: &Fields) {
    out.extend_from_slice(b"0\r\n");
    for (_, name, value) in trailers.iter().filter(|(_, name, _)| is_trailer_allowed(name)) {
        write_field(out, name, value);
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_counted_down_over_pieces() {
        let mut reader = BodyReader::new(Framing::Length(5), Role::Request);
        assert_eq!(reader.pass(b"abc"), Ok(3));
        assert_eq!(reader.next(b"").expect("waits"), Piece::More { consumed: 0 });
        assert_eq!(reader.next(b"deGET"), Ok(Piece::Data { consumed: 2, data: 0..2 }));
        assert!(reader.is_done());
        assert_eq!(reader.pass(b"GET"), Ok(0));
        assert_eq!(reader.next(b"GET"), Ok(Piece::End { consumed: 0 }));
        assert_eq!(reader.eof(), Ok(()));
    }

    #[test]
    fn bodies_of_no_bytes_are_done_at_once() {
        for framing in [Framing::None, Framing::Length(0)] {
            assert!(BodyReader::new(framing, Role::Response).is_done());
        }
    }

    #[test]
    fn only_the_end_of_the_stream_ends_a_body_until_close() {
        let mut reader = BodyReader::new(Framing::UntilClose, Role::Response);
        assert_eq!(reader.pass(b"abc"), Ok(3));
        assert!(!reader.is_done());
        assert_eq!(reader.eof(), Ok(()));
        assert!(reader.is_done());
    }

    #[test]
    fn an_end_inside_a_body_is_the_senders_fault() {
        for framing in [Framing::Length(2), Framing::Chunked] {
            let mut request = BodyReader::new(framing, Role::Request);
            assert_eq!(request.eof(), Err(Code::ClientAborted));
            let mut response = BodyReader::new(framing, Role::Response);
            assert_eq!(response.eof(), Err(Code::OriginClosed));
        }
    }

    #[test]
    fn a_violation_is_the_senders_fault() {
        assert_eq!(BodyReader::new(Framing::Chunked, Role::Request).pass(b"x"), Err(Code::BadRequest));
        assert_eq!(BodyReader::new(Framing::Chunked, Role::Response).next(b"x"), Err(Code::OriginProtocol));
    }

    #[test]
    fn chunk_sizes_are_hexadecimal() {
        for (length, header) in [(1, "1\r\n"), (16, "10\r\n"), (0xabc, "abc\r\n"), (65_536, "10000\r\n")] {
            let mut out = Vec::new();
            write_chunk_header(&mut out, length);
            assert_eq!(out, header.as_bytes());
        }
    }

    #[test]
    fn trailers_end_a_body_without_those_that_may_not_pass() {
        let mut trailers = Fields::default();
        trailers.push(b"grpc-status", b"0");
        trailers.push(b"Content-Length", b"9");
        let mut out = Vec::new();
        write_last_chunk(&mut out, &trailers);
        assert_eq!(out, b"0\r\ngrpc-status: 0\r\n\r\n");
        let mut reader = BodyReader::new(Framing::Chunked, Role::Response);
        assert_eq!(reader.pass(&out), Ok(out.len()));
        assert_eq!(reader.trailers().iter().count(), 1);
    }
}
