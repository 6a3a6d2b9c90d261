//! The handshake values of RFC 6455.

use crate::syntax::list_has;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use egressway_core::{FieldName, ResponseHead};
use sha1::{Digest, Sha1};

const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A key is sixteen bytes in base64.
pub fn is_websocket_key(key: &[u8]) -> bool {
    key.len() == 24 && STANDARD.decode(key).is_ok_and(|bytes| bytes.len() == 16)
}

/// `Sec-WebSocket-Accept` for a key.
pub fn websocket_accept(key: &[u8]) -> [u8; 28] {
    let digest = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    let mut accept = [0; 28];
    // Twenty bytes are always 28 characters; a shorter result would be refused by every client.
    let _ = STANDARD.encode_slice(digest, &mut accept);
    accept
}

/// A response accepts the opening that was sent with `key` (RFC 6455 section 4.1, steps 1 to 4).
pub fn is_upgrade_accepted(head: &ResponseHead, key: &[u8]) -> bool {
    let mut accepts = head.fields.get_all(FieldName::SecWebSocketAccept);
    head.status == 101
        && list_has(&head.fields, FieldName::Upgrade, b"websocket")
        && list_has(&head.fields, FieldName::Connection, b"upgrade")
        && accepts.next() == Some(&websocket_accept(key))
        && accepts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8] = b"dGhlIHNhbXBsZSBub25jZQ==";

    #[test]
    fn the_example_of_the_rfc() {
        assert_eq!(&websocket_accept(KEY), b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn a_key_is_sixteen_bytes() {
        assert!(is_websocket_key(KEY));
        for bad in
            ["", "c2hvcnQ=", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZTEy", "dGhlIHNhbXBsZSBub25j!Q=="]
        {
            assert!(!is_websocket_key(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn an_opening_is_accepted_only_with_all_of_its_words() {
        let whole = [
            ("Upgrade", "WebSocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        ];
        let head = |status, without: usize| {
            let mut head = ResponseHead { status, ..ResponseHead::default() };
            for (_, (name, value)) in whole.iter().enumerate().filter(|(i, _)| *i != without) {
                head.fields.push(name.as_bytes(), value.as_bytes());
            }
            head
        };
        assert!(is_upgrade_accepted(&head(101, 9), KEY));
        assert!(!is_upgrade_accepted(&head(200, 9), KEY));
        assert!(!is_upgrade_accepted(&head(101, 9), b"another key"));
        for (without, (name, _)) in whole.iter().enumerate() {
            assert!(!is_upgrade_accepted(&head(101, without), KEY), "without {name}");
        }
    }
}
