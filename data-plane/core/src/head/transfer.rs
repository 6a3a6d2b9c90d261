//! Heads on their way between two servers of the fleet: exactly what was read, spelling and order included, so that
//! the server at the far end writes exactly what would have been written here.

use super::{Field, Fields, Framing, Method, RequestHead, ResponseHead, Span, Version};
use crate::field::FieldName;
use crate::record::{Reader, write_text};

/// Fields of a head, at most; far above every limit of those who read heads from strangers.
const MOST_FIELDS: usize = 4096;

fn write_span(out: &mut Vec<u8>, span: Span) {
    out.extend_from_slice(&span.start.to_be_bytes());
    out.extend_from_slice(&span.end.to_be_bytes());
}

/// A span that lies within a buffer of `length` bytes.
fn read_span(from: &mut Reader<'_>, length: usize) -> Option<Span> {
    let span = Span { start: from.u32()?, end: from.u32()? };
    (span.start <= span.end && span.end as usize <= length).then_some(span)
}

fn write_framing(out: &mut Vec<u8>, framing: Framing) {
    let (kind, length) = match framing {
        Framing::None => (0, 0),
        Framing::Length(length) => (1, length),
        Framing::Chunked => (2, 0),
        Framing::UntilClose => (3, 0),
    };
    out.push(kind);
    out.extend_from_slice(&u64::to_be_bytes(length));
}

fn read_framing(from: &mut Reader<'_>) -> Option<Framing> {
    Some(match (from.byte()?, from.u64()?) {
        (0, _) => Framing::None,
        (1, length @ 1..) => Framing::Length(length),
        (2, _) => Framing::Chunked,
        (3, _) => Framing::UntilClose,
        _ => return None,
    })
}

fn write_version(out: &mut Vec<u8>, version: Version) {
    out.push(match version {
        Version::Http10 => 10,
        Version::Http11 => 11,
        Version::Http2 => 20,
    });
}

fn read_version(from: &mut Reader<'_>) -> Option<Version> {
    Some(match from.byte()? {
        10 => Version::Http10,
        11 => Version::Http11,
        20 => Version::Http2,
        _ => return None,
    })
}

impl Fields {
    pub fn write_to(&self, out: &mut Vec<u8>) {
        write_text(out, &self.bytes);
        out.extend_from_slice(&(self.list.len() as u32).to_be_bytes());
        for field in &self.list {
            write_span(out, field.name);
            write_span(out, field.value);
        }
    }

    /// Replaces what is here. `None`: not written by [`Fields::write_to`]; what is here is then of no use.
    pub fn read_from(&mut self, from: &mut Reader<'_>) -> Option<()> {
        self.clear();
        self.bytes.extend_from_slice(from.text()?);
        let count = from.u32()? as usize;
        if count > MOST_FIELDS {
            return None;
        }
        for _ in 0..count {
            let (name, value) = (read_span(from, self.bytes.len())?, read_span(from, self.bytes.len())?);
            let id = FieldName::of(self.bytes(name));
            self.present |= super::bit(id);
            self.list.push(Field { id, name, value });
        }
        Some(())
    }
}

impl RequestHead {
    pub fn write_to(&self, out: &mut Vec<u8>) {
        self.fields.write_to(out);
        for span in [self.method_span, self.target_span, self.authority_span, self.host_span] {
            write_span(out, span);
        }
        write_version(out, self.version);
        write_framing(out, self.framing);
        let flags = [self.keep_alive, self.expects_continue, self.is_websocket, self.accepts_trailers];
        out.extend(flags.map(u8::from));
    }

    /// Replaces what is here. `None`: not written by [`RequestHead::write_to`].
    pub fn read_from(&mut self, from: &mut Reader<'_>) -> Option<()> {
        self.clear();
        self.fields.read_from(from)?;
        let length = self.fields.bytes.len();
        self.method_span = read_span(from, length)?;
        self.method = Method::of(self.fields.bytes(self.method_span));
        self.target_span = read_span(from, length)?;
        self.authority_span = read_span(from, length)?;
        self.host_span = read_span(from, length)?;
        self.version = read_version(from)?;
        self.framing = read_framing(from)?;
        self.keep_alive = from.flag()?;
        self.expects_continue = from.flag()?;
        self.is_websocket = from.flag()?;
        self.accepts_trailers = from.flag()?;
        Some(())
    }
}

impl ResponseHead {
    pub fn write_to(&self, out: &mut Vec<u8>) {
        self.fields.write_to(out);
        out.extend_from_slice(&self.status.to_be_bytes());
        write_version(out, self.version);
        write_framing(out, self.framing);
        out.push(u8::from(self.keep_alive));
    }

    /// Replaces what is here. `None`: not written by [`ResponseHead::write_to`].
    pub fn read_from(&mut self, from: &mut Reader<'_>) -> Option<()> {
        self.clear();
        self.fields.read_from(from)?;
        self.status = from.u16()?;
        self.version = read_version(from)?;
        self.framing = read_framing(from)?;
        self.keep_alive = from.flag()?;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> RequestHead {
        let mut head = RequestHead::default();
        head.set_method(b"PURGE");
        head.set_target(b"/a?b=c");
        head.set_authority(b"WWW.Example.com:80", b"WWW.Example.com");
        head.fields.push(b"X-Spelled-So", b"\xff one");
        head.fields.push(b"Cookie", b"a=1");
        head.fields.push(b"x-spelled-so", b"two");
        head.framing = Framing::Length(7);
        head.version = Version::Http10;
        head.expects_continue = true;
        head
    }

    #[test]
    fn a_head_arrives_as_it_was_read() {
        let mut bytes = Vec::new();
        request().write_to(&mut bytes);
        let mut read = RequestHead::default();
        let mut reader = Reader::new(&bytes);
        read.read_from(&mut reader).expect("a head");
        assert_eq!(format!("{read:?}"), format!("{:?}", request()));
        assert!(reader.byte().is_none(), "and nothing is left");

        let mut response =
            ResponseHead { status: 103, framing: Framing::UntilClose, ..ResponseHead::default() };
        response.fields.push(b"Link", b"</a>; rel=preload");
        bytes.clear();
        response.write_to(&mut bytes);
        let mut read = ResponseHead::default();
        read.read_from(&mut Reader::new(&bytes)).expect("a head");
        assert_eq!(format!("{read:?}"), format!("{response:?}"));
    }

    #[test]
    fn bytes_that_are_no_head_are_told_and_never_panic() {
        let mut bytes = Vec::new();
        request().write_to(&mut bytes);
        let mut head = RequestHead::default();
        for end in 0..bytes.len() {
            assert!(head.read_from(&mut Reader::new(&bytes[..end])).is_none(), "cut at {end}");
        }
        for at in 0..bytes.len() {
            let mut broken = bytes.clone();
            broken[at] ^= 0xff;
            if head.read_from(&mut Reader::new(&broken)).is_some() {
                let _ = (head.host(), head.authority(), head.target(), head.method_bytes());
                assert!(head.fields.iter().count() <= MOST_FIELDS);
            }
        }
    }
}
