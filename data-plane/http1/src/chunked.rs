//! The chunked coding (RFC 9112 section 7.1) as a state machine over whatever pieces arrive.
//!
//! Line ends are CRLF, sizes are plain hexadecimal, extensions are bounded and hold no control characters,
//! trailers obey the rules of header fields and may not frame, route or speak for the client.

use crate::syntax::{is_crlf_only, take_fields};
use egressway_core::Fields;
use egressway_core::hygiene::is_trailer_allowed;
use std::ops::Range;

/// Of a whole body, as in hyper: many small chunks with long extensions cost more than they carry.
const MOST_EXTENSION_BYTES: u32 = 16 * 1024;
const MOST_TRAILER_BYTES: usize = 16 * 1024;
const MOST_TRAILERS: usize = 64;
/// 2^60 bytes in one chunk are not sent by anybody in good faith.
const MOST_SIZE_DIGITS: u8 = 15;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Size {
        digits: u8,
        size: u64,
    },
    Extension {
        size: u64,
    },
    SizeLf {
        size: u64,
    },
    Data {
        left: u64,
    },
    DataCr,
    DataLf,
    /// Behind the last chunk: an empty line ends the body, anything else is a trailer.
    Last,
    LastLf,
    Trailers,
    Done,
}

/// The coding was violated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Violation;

/// Fields after the last chunk, as they arrive and once they are read. Few bodies have any.
#[derive(Debug, Default)]
struct TrailerSection {
    bytes: Vec<u8>,
    fields: Fields,
}

#[derive(Debug)]
pub struct Chunked {
    state: State,
    extension_bytes: u32,
    trailers: Option<Box<TrailerSection>>,
}

/// One step's outcome: so many bytes were read, of which `data` is body.
#[derive(Debug, PartialEq, Eq)]
pub struct Step {
    pub consumed: usize,
    pub data: Option<Range<usize>>,
}

impl Chunked {
    pub const fn new() -> Self {
        Chunked { state: State::Size { digits: 0, size: 0 }, extension_bytes: 0, trailers: None }
    }

    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    pub fn trailers(&self) -> Option<&Fields> {
        self.trailers.as_ref().map(|section| &section.fields)
    }

    /// Reads up to and including the next piece of data, or all of `buf`, or to the end of the body.
    pub fn step(&mut self, buf: &[u8]) -> Result<Step, Violation> {
        let mut at = 0;
        while at < buf.len() && self.state != State::Done {
            match self.state {
                State::Data { left } => {
                    let end = at + usize::try_from(left).unwrap_or(usize::MAX).min(buf.len() - at);
                    let rest = left - (end - at) as u64;
                    self.state = if rest == 0 { State::DataCr } else { State::Data { left: rest } };
                    return Ok(Step { consumed: end, data: Some(at..end) });
                }
                State::Trailers => at += self.read_trailers(&buf[at..])?,
                _ => {
                    self.state = self.read_byte(buf[at])?;
                    // The first byte of a trailer is read again, with the rest of its line.
                    at += usize::from(self.state != State::Trailers);
                }
            }
        }
        Ok(Step { consumed: at, data: None })
    }

    fn read_byte(&mut self, byte: u8) -> Result<State, Violation> {
        Ok(match (self.state, byte) {
            (State::Size { digits, size }, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F')
                if digits < MOST_SIZE_DIGITS =>
            {
                let digit = char::from(byte).to_digit(16).unwrap_or_default();
                State::Size { digits: digits + 1, size: (size << 4) | u64::from(digit) }
            }
            (State::Size { digits: 1.., size }, b';') => State::Extension { size },
            (State::Size { digits: 1.., size } | State::Extension { size }, b'\r') => State::SizeLf { size },
            (State::Extension { size }, b'\t' | b' '..=b'~' | 0x80..) => {
                self.extension_bytes += 1;
                if self.extension_bytes > MOST_EXTENSION_BYTES {
                    return Err(Violation);
                }
                State::Extension { size }
            }
            (State::SizeLf { size: 0 }, b'\n') => State::Last,
            (State::SizeLf { size }, b'\n') => State::Data { left: size },
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => State::Size { digits: 0, size: 0 },
            (State::Last, b'\r') => State::LastLf,
            (State::Last, _) => State::Trailers,
            (State::LastLf, b'\n') => State::Done,
            _ => return Err(Violation),
        })
    }

    /// Takes bytes up to the empty line that ends the body.
    fn read_trailers(&mut self, buf: &[u8]) -> Result<usize, Violation> {
        let section = self.trailers.get_or_insert_default();
        let held = section.bytes.len();
        let room = MOST_TRAILER_BYTES.saturating_sub(held).min(buf.len());
        section.bytes.extend_from_slice(&buf[..room]);
        match section.read()? {
            Some(end) => {
                self.state = State::Done;
                Ok(end - held)
            }
            None if held + room == MOST_TRAILER_BYTES => Err(Violation),
            None => Ok(room),
        }
    }
}

impl TrailerSection {
    /// The section's length, or `None` if its end is not there.
    fn read(&mut self) -> Result<Option<usize>, Violation> {
        let mut headers = [httparse::EMPTY_HEADER; MOST_TRAILERS];
        let (end, parsed) = match httparse::parse_headers(&self.bytes, &mut headers) {
            Ok(httparse::Status::Complete(whole)) => whole,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err(Violation),
        };
        let section = &self.bytes[..end];
        let stored = self.fields.store(section);
        take_fields(parsed, section, stored, &mut self.fields);
        let may_pass = self.fields.iter().all(|(_, name, _)| is_trailer_allowed(name));
        if may_pass && is_crlf_only(section) { Ok(Some(end)) } else { Err(Violation) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All data of `body` and what was left behind its end.
    fn read(body: &[u8]) -> Result<(Vec<u8>, usize, bool), Violation> {
        let (mut chunked, mut data, mut at) = (Chunked::new(), Vec::new(), 0);
        while at < body.len() && !chunked.is_done() {
            let step = chunked.step(&body[at..])?;
            data.extend_from_slice(step.data.map_or(&[][..], |range| &body[at..][range]));
            at += step.consumed;
        }
        Ok((data, body.len() - at, chunked.is_done()))
    }

    #[test]
    fn whole_bodies() {
        let cases: [(&str, &str, usize); 6] = [
            ("0\r\n\r\n", "", 0),
            ("5\r\nhello\r\n0\r\n\r\nGET", "hello", 3),
            ("00A\r\n0123456789\r\n1;a=\"b\"\r\nx\r\n000\r\n\r\n", "0123456789x", 0),
            ("1; a\t\u{e9}\r\nx\r\n0;last\r\n\r\n", "x", 0),
            ("0\r\nA: 1\r\nB: 2\r\n\r\n\r\n", "", 2),
            ("0\r\nempty:\r\n\r\n", "", 0),
        ];
        for (body, data, left) in cases {
            assert_eq!(read(body.as_bytes()), Ok((data.as_bytes().to_vec(), left, true)), "{body:?}");
        }
    }

    #[test]
    fn violations() {
        let cases = [
            "\r\n",
            ";a\r\n",
            " 5\r\nhello\r\n",
            "5 \r\nhello\r\n",
            "5 ;a\r\nhello\r\n",
            "0x5\r\nhello\r\n",
            "+5\r\nhello\r\n",
            "-1\r\n",
            "g\r\n",
            "5\nhello\r\n",
            "5\rhello",
            "5\r\nhello\n0\r\n",
            "5\r\nhello0\r\n",
            "5\r\nhelloo\r\n",
            "5;a\nhello",
            "5;a\rb\r\nhello",
            "5;\u{0}\r\nhello",
            "5;\u{7f}\r\nhello",
            "1000000000000000\r\n",
            "fffffffffffffffff\r\n",
            "0\r\n\n",
            "0\r\n\rx",
            "0\r\nA: 1\n\r\n",
            "0\r\nA : 1\r\n\r\n",
            "0\r\nA: 1\r\n b\r\n\r\n",
            "0\r\n A: 1\r\n\r\n",
            "0\r\nno colon\r\n\r\n",
            "0\r\n: 1\r\n\r\n",
            "0\r\nA: \u{0}\r\n\r\n",
            "0\r\nContent-Length: 1\r\n\r\n",
            "0\r\nTransfer-Encoding: chunked\r\n\r\n",
            "0\r\nHost: example.com\r\n\r\n",
            "0\r\nConnection: close\r\n\r\n",
            "0\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n",
            "0\r\nX_Forwarded_For: 192.0.2.1\r\n\r\n",
            "0\r\nEgressway-Zone: z\r\n\r\n",
        ];
        for body in cases {
            assert_eq!(read(body.as_bytes()), Err(Violation), "{body:?}");
        }
    }

    #[test]
    fn extensions_and_trailers_are_bounded() {
        let chunk = format!("1;{}\r\nx\r\n", "e".repeat(1000));
        assert!(read(chunk.repeat(16).as_bytes()).is_ok());
        assert_eq!(read(chunk.repeat(17).as_bytes()), Err(Violation));
        let endless = format!("0\r\nA: {}", "a".repeat(MOST_TRAILER_BYTES));
        assert_eq!(read(endless.as_bytes()), Err(Violation));
        let many = format!("0\r\n{}\r\n", "A: 1\r\n".repeat(MOST_TRAILERS + 1));
        assert_eq!(read(many.as_bytes()), Err(Violation));
    }
}
