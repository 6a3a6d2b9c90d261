//! The server name of a ClientHello, read before anything is answered: whose connection it is decides where TLS ends.
//!
//! Pure: bytes in, name out. It reads records and one handshake message (RFC 8446 sections 4.1.2 and 5.1, RFC 6066
//! section 3) and judges nothing else: whoever terminates TLS checks the rest. What cannot be read here has no name.

/// Longer ones are not waited for; those of browsers have less than 2,000 bytes.
pub const MOST_BYTES: usize = 16 * 1024;

const RECORD_HEADER: usize = 5;
const HANDSHAKE_HEADER: usize = 4;
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_NAME: u16 = 0;
const HOST_NAME: u8 = 0;

/// What has arrived so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hello {
    /// The beginning of one; more is needed.
    Partial,
    /// The name that the client asks for, lower case.
    Named(Box<str>),
    /// A whole one that asks for no name.
    Unnamed,
    /// It cannot become one.
    Other,
    /// It would have more than [`MOST_BYTES`].
    TooLong,
}

/// Reads what `bytes`, the first ones of a connection, are.
pub fn read(bytes: &[u8]) -> Hello {
    match message(bytes) {
        Ok(Some(message)) => match server_name(&message) {
            Some(Some(name)) => name,
            Some(None) => Hello::Unnamed,
            None => Hello::Other,
        },
        Ok(None) if bytes.len() < MOST_BYTES => Hello::Partial,
        Ok(None) => Hello::TooLong,
        Err(what) => what,
    }
}

/// The content of the ClientHello message, put together from its records; `None`: more bytes are needed.
fn message(mut bytes: &[u8]) -> Result<Option<Vec<u8>>, Hello> {
    let mut message = Vec::new();
    loop {
        if bytes.first().is_some_and(|kind| *kind != HANDSHAKE)
            || bytes.get(1).is_some_and(|major| *major != 3)
        {
            return Err(Hello::Other);
        }
        let Some((header, rest)) = bytes.split_at_checked(RECORD_HEADER) else { return Ok(None) };
        let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
        if length == 0 || length > 1 << 14 {
            return Err(Hello::Other);
        }
        message.extend_from_slice(&rest[..length.min(rest.len())]);
        if let Some(length) = length_of(&message)? {
            message.drain(..HANDSHAKE_HEADER);
            message.truncate(length);
            return Ok(Some(message));
        }
        let Some(next) = rest.get(length..) else { return Ok(None) };
        bytes = next;
    }
}

/// The length of the message's content, when all of it is there.
fn length_of(message: &[u8]) -> Result<Option<usize>, Hello> {
    if message.first().is_some_and(|kind| *kind != CLIENT_HELLO) {
        return Err(Hello::Other);
    }
    let Some([_, high, middle, low]) = message.first_chunk().copied() else { return Ok(None) };
    let length = u32::from_be_bytes([0, high, middle, low]) as usize;
    if length > MOST_BYTES - HANDSHAKE_HEADER - RECORD_HEADER {
        return Err(Hello::TooLong);
    }
    Ok((message.len() >= HANDSHAKE_HEADER + length).then_some(length))
}

/// `None`: it is malformed. `Some(None)`: it asks for no name.
fn server_name(message: &[u8]) -> Option<Option<Hello>> {
    let from = &mut Bytes(message);
    from.take(2 + 32)?;
    let session_id = from.u8()?;
    from.take(session_id.into())?;
    let cipher_suites = from.u16()?;
    from.take(cipher_suites.into())?;
    let compressions = from.u8()?;
    from.take(compressions.into())?;
    if from.0.is_empty() {
        return Some(None);
    }
    let extensions = from.u16()?;
    let extensions = &mut Bytes(from.take(extensions.into())?);
    while !extensions.0.is_empty() {
        let (kind, length) = (extensions.u16()?, extensions.u16()?);
        let content = extensions.take(length.into())?;
        if kind == SERVER_NAME {
            return Some(Some(first_name(content)?));
        }
    }
    Some(None)
}

fn first_name(content: &[u8]) -> Option<Hello> {
    let from = &mut Bytes(content);
    let list = from.u16()?;
    let names = &mut Bytes(from.take(list.into())?);
    let (kind, length) = (names.u8()?, names.u16()?);
    let name = std::str::from_utf8(names.take(length.into())?).ok()?;
    let is_host = kind == HOST_NAME && !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
    is_host.then(|| Hello::Named(name.to_ascii_lowercase().into()))
}

struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rustls::pki_types::ServerName;
    use rustls::{ClientConfig, ClientConnection, RootCertStore};
    use std::sync::Arc;

    /// What the library sends first.
    fn hello(name: &str) -> Vec<u8> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        let mut client = ClientConnection::new(Arc::new(config), name).expect("a client");
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes).expect("written");
        bytes
    }

    /// The same message in records of at most `size` bytes.
    fn in_records(hello: &[u8], size: usize) -> Vec<u8> {
        let record = |part: &[u8]| [&[22, 3, 1], &(part.len() as u16).to_be_bytes()[..], part].concat();
        hello[RECORD_HEADER..].chunks(size).flat_map(record).collect()
    }

    #[test]
    fn the_name_is_read_as_soon_as_the_message_is_whole_and_not_before() {
        let bytes = hello("WWW.Example.com");
        let named = Hello::Named("www.example.com".into());
        for end in 0..bytes.len() {
            assert_eq!(read(&bytes[..end]), Hello::Partial, "{end}");
        }
        assert_eq!(read(&bytes), named);
        assert_eq!(read(&[&bytes[..], b"\x14\x03\x03"].concat()), named, "more may follow at once");
    }

    #[test]
    fn a_message_may_come_in_many_records() {
        let whole = hello("www.example.com");
        for size in [1, 3, 4, 50] {
            let bytes = in_records(&whole, size);
            assert_eq!(read(&bytes), Hello::Named("www.example.com".into()), "{size}");
            assert_eq!(read(&bytes[..bytes.len() - 1]), Hello::Partial, "{size}");
        }
    }

    #[test]
    fn one_without_a_name_is_told_from_one_that_is_not_there_yet() {
        assert_eq!(read(&hello("192.0.2.1")), Hello::Unnamed);
        assert_eq!(read(b""), Hello::Partial);
    }

    #[test]
    fn what_is_not_a_client_hello_is_told_at_its_first_wrong_byte() {
        for bytes in
            [&b"GET / HTTP/1.1\r\n"[..], b"\x15\x03\x01\x00\x02", b"\x16\x02", b"\x16\x03\x01\x00\x04\x02"]
        {
            assert_eq!(read(bytes), Hello::Other, "{bytes:?}");
        }
        assert_eq!(read(b"\x16\x03\x01\x00\x00"), Hello::Other, "an empty record");
    }

    #[test]
    fn one_that_is_too_long_is_not_waited_for() {
        assert_eq!(read(b"\x16\x03\x01\x00\x04\x01\x00\x40\x00"), Hello::TooLong);
        // Every record holds one byte, so that the limit is reached before the message is whole.
        let long = in_records(&[&[0; 5][..], &[1, 0, 0x30, 0], &vec![0; 0x3000]].concat(), 1);
        assert_eq!(read(&long[..MOST_BYTES]), Hello::TooLong);
    }

    #[test]
    fn a_name_that_is_no_hostname_is_none() {
        let bytes = hello("www.example.com");
        let at = bytes.windows(3).position(|three| three == b"www").expect("the name");
        for wrong in [0u8, b' ', 0xff] {
            let mut bytes = bytes.clone();
            bytes[at] = wrong;
            assert_eq!(read(&bytes), Hello::Other, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged_without_harm(mut bytes in proptest::collection::vec(any::<u8>(), 0..300), like_tls: bool) {
            if like_tls && bytes.len() > 9 {
                bytes[..9].copy_from_slice(&[22, 3, 1, 1, 0, 1, 0, 0, 200]);
            }
            let _ = read(&bytes);
        }

        #[test]
        fn a_broken_hello_never_gives_another_name(at in 0usize..200, with: u8) {
            let mut bytes = hello("www.example.com");
            let name = bytes.windows(15).position(|part| part == b"www.example.com").expect("the name");
            prop_assume!(at < bytes.len() && !(name..name + 15).contains(&at));
            bytes[at] = with;
            if let Hello::Named(read) = read(&bytes) {
                prop_assert!("www.example.com".starts_with(&*read), "{}", read);
            }
        }
    }
}
