//! Message bodies over HTTP/1 byte streams and HTTP/2 streams, alike for clients and origins.
//!
//! Owns buffers and framing state; decides nothing about requests.

pub mod buffer_pool;
pub mod buffered;
pub mod h1;
pub mod h2_body;

pub use buffered::BufferedIo;
pub use h1::{H1Stream, OutFraming};
pub use h2_body::{H2Sink, H2Source, is_reset_by_peer};
