//! A strict HTTP/1 codec: heads are read by httparse, everything httparse is lenient about is checked here, and
//! framing is ours alone.
//!
//! Pure and synchronous: bytes in, heads and body borders out; bytes out. Buffers are the caller's and are used
//! again, so a keep-alive request allocates nothing. What is accepted is what nginx accepts, or less
//! (RFC 9112; `data-plane.md` section 8).

mod body;
mod chunked;
mod request;
mod response;
mod syntax;
mod websocket;
mod write;

pub use body::{BodyReader, Piece, Role, write_chunk_end, write_chunk_header, write_last_chunk};
pub use request::parse_request;
pub use response::{Asked, parse_response};
pub use syntax::{host_of_authority, host_range, parse_length};
pub use websocket::{is_upgrade_accepted, is_websocket_key, websocket_accept};
pub use write::{ToClient, ToOrigin, write_request, write_response};

/// Limits of one message head.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// First line, fields and the empty line behind them.
    pub max_head_bytes: usize,
    /// At most 256 whatever this says.
    pub max_headers: usize,
}

/// The size of the parser's array of fields.
const MOST_HEADERS: usize = 256;
