//! Nanoseconds per message of the codec: `cargo run --release -p egressway-http1 --example codec_bench`.
//!
//! Each line is the best of several rounds, which is what the code costs when nothing else disturbs it. An
//! argument sets the number of rounds: one is enough for an instruction counter.

use egressway_core::{Framing, RequestHead, ResponseHead, Version};
use egressway_http1::{
    Asked, BodyReader, Limits, Role, ToClient, ToOrigin, parse_request, parse_response, write_request,
    write_response,
};
use std::hint::black_box;
use std::time::Instant;

const ROUNDS: usize = 50;
const MESSAGES: u32 = 10_000;
const LIMITS: Limits = Limits { max_head_bytes: 32 * 1024, max_headers: 100 };

const REQUEST: &[u8] = b"GET /assets/application.js?v=20 HTTP/1.1\r\n\
    Host: www.example.com\r\n\
    Connection: keep-alive\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Accept-Language: en-US,en;q=0.9\r\n\
    Cache-Control: max-age=0\r\n\
    Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n\
    Referer: https://www.example.com/index.html\r\n\
    Sec-Fetch-Mode: navigate\r\n\r\n";

const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\n\
    Server: example\r\n\
    Date: Thu, 01 Jan 2026 00:00:00 GMT\r\n\
    Content-Type: application/javascript; charset=utf-8\r\n\
    Content-Length: 4096\r\n\
    Last-Modified: Wed, 31 Dec 2025 00:00:00 GMT\r\n\
    ETag: \"0123456789abcdef\"\r\n\
    Cache-Control: public, max-age=3600\r\n\
    Vary: Accept-Encoding\r\n\
    Connection: keep-alive\r\n\
    Accept-Ranges: bytes\r\n\r\n";

const SMALL_REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: www.example.com\r\n\r\n";
const SMALL_RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 32\r\n\r\n";

fn to_origin() -> ToOrigin<'static> {
    ToOrigin {
        host: b"www.example.com",
        forwarded_for: b"198.51.100.7",
        forwarded_proto: b"https",
        forwarded: b"for=198.51.100.7;proto=https;host=\"www.example.com\"",
        request_id: b"0123456789abcdef0123456789abcdef",
        cdn_loop: b"test",
        framing: Framing::None,
        websocket_key: None,
        expect_continue: false,
    }
}

fn to_client(framing: Framing) -> ToClient<'static> {
    ToClient {
        version: Version::Http11,
        framing,
        keep_alive: true,
        request_id: b"0123456789abcdef0123456789abcdef",
        websocket_accept: None,
    }
}

/// Prints the best nanoseconds per call and returns them.
fn measure(name: &str, mut message: impl FnMut()) -> f64 {
    let rounds = std::env::args().nth(1).map_or(ROUNDS, |text| text.parse().expect("a number of rounds"));
    let best = (0..rounds)
        .map(|_| {
            let start = Instant::now();
            (0..MESSAGES).for_each(|_| message());
            start.elapsed().as_nanos() as f64 / f64::from(MESSAGES)
        })
        .fold(f64::INFINITY, f64::min);
    println!("{name:<44} {best:>8.0} ns");
    best
}

fn exchange(name: &str, request: &[u8], response: &[u8]) {
    let asked = Asked { head_request: false, upgrade: false };
    let (mut head, mut answer) = (RequestHead::default(), ResponseHead::default());
    let mut out = Vec::with_capacity(4096);
    let parse = measure(&format!("{name}: parse request"), || {
        black_box(parse_request(black_box(request), &LIMITS, &mut head)).expect("a valid request");
    });
    let write = measure(&format!("{name}: write request"), || {
        out.clear();
        write_request(&mut out, black_box(&head), &to_origin());
        black_box(&out);
    });
    let parse_answer = measure(&format!("{name}: parse response"), || {
        black_box(parse_response(black_box(response), &LIMITS, asked, &mut answer))
            .expect("a valid response");
    });
    let write_answer = measure(&format!("{name}: write response"), || {
        out.clear();
        write_response(&mut out, black_box(&answer), &to_client(answer.framing));
        black_box(&out);
    });
    let sum = parse + write + parse_answer + write_answer;
    println!("{:<44} {sum:>8.0} ns\n", format!("{name}: all four"));
}

fn main() {
    exchange("ten fields", REQUEST, RESPONSE);
    exchange("small", SMALL_REQUEST, SMALL_RESPONSE);
    let chunks: Vec<u8> = [b"800\r\n".as_slice(), &[b'x'; 2048], b"\r\n"]
        .concat()
        .repeat(5)
        .into_iter()
        .chain(*b"0\r\n\r\n")
        .collect();
    measure("10 KiB in five chunks: pass", || {
        let mut reader = BodyReader::new(Framing::Chunked, Role::Response);
        black_box(reader.pass(black_box(&chunks))).expect("a valid body");
    });
}
