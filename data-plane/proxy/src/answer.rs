//! Answers the proxy gives itself: the error's code in a header, JSON for programs, HTML for browsers.

use bytes::Bytes;
use egressway_core::side::ClientSide;
use egressway_core::{Code, Error, FieldName, Fields, Framing, Method, RequestHead, ResponseHead};
use std::future::poll_fn;

/// Sends the answer for `code`; an error only when the client cannot be reached.
pub async fn answer<C: ClientSide>(
    client: &mut C,
    code: Code,
    request: &RequestHead,
    request_id: &[u8],
) -> Result<u64, Error> {
    let is_browser = wants_html(request);
    let body = if is_browser { html(code, request_id) } else { json(code, request_id) };
    let is_head = request.method == Method::Head;
    let head = head(code, is_browser, body.len(), is_head);
    let length = body.len() as u64;
    let mut body = Bytes::from(body);
    if !client.is_ended() {
        // What is left of the request would have to be read before another.
        client.end_after_response();
    }
    client.start_response(&head, request_id)?;
    if !is_head {
        poll_fn(|cx| client.poll_send(cx, &mut body)).await?;
    }
    let none = Fields::default();
    poll_fn(|cx| client.poll_finish(cx, &none, false)).await?;
    Ok(if is_head { 0 } else { length })
}

fn head(code: Code, is_browser: bool, length: usize, is_head: bool) -> ResponseHead {
    let framing = if is_head { Framing::None } else { Framing::Length(length as u64) };
    let mut head =
        ResponseHead { status: code.status(), framing, keep_alive: true, ..ResponseHead::default() };
    let content_type: &[u8] =
        if is_browser { b"text/html; charset=utf-8" } else { b"application/json; charset=utf-8" };
    head.fields.push(b"Content-Type", content_type);
    head.fields.push(b"Content-Length", length.to_string().as_bytes());
    head.fields.push(b"Cache-Control", b"no-store");
    head.fields.push(b"Egressway-Error", code.as_str().as_bytes());
    if let Some(seconds) = code.retry_after_seconds() {
        head.fields.push(b"Retry-After", seconds.to_string().as_bytes());
    }
    head
}

/// A browser says that it takes HTML; programs rarely do, and `*/*` is not said of HTML alone.
fn wants_html(request: &RequestHead) -> bool {
    request.fields.get_all(FieldName::Accept).any(|value| {
        value.split(|byte| *byte == b',').any(|range| {
            let kind = range.split(|byte| *byte == b';').next().unwrap_or_default();
            kind.trim_ascii().eq_ignore_ascii_case(b"text/html")
        })
    })
}

fn json(code: Code, request_id: &[u8]) -> Vec<u8> {
    let id = String::from_utf8_lossy(request_id);
    format!(
        "{{\"error\": {{\"code\": \"{}\", \"message\": \"{}\", \"request_id\": \"{id}\"}}}}\n",
        code.as_str(),
        code.message()
    )
    .into_bytes()
}

fn html(code: Code, request_id: &[u8]) -> Vec<u8> {
    let (status, name, message) = (code.status(), code.as_str(), code.message());
    let id = String::from_utf8_lossy(request_id);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{status} {name}</title>\n\
         <style>body{{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:15vh auto;padding:0 1rem}}\
         code{{color:#555}}</style></head>\n<body><h1>{status}</h1><p>{message}</p>\n\
         <p><code>{name}</code><br><code>{id}</code></p></body>\n</html>\n"
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_get_html_and_programs_json() {
        let mut browser = RequestHead::default();
        browser.fields.push(b"Accept", b"application/xhtml+xml, text/html;q=0.9, */*;q=0.8");
        assert!(wants_html(&browser));
        let mut program = RequestHead::default();
        program.fields.push(b"Accept", b"*/*");
        assert!(!wants_html(&program));
        assert!(!wants_html(&RequestHead::default()));
    }

    #[test]
    fn messages_need_no_escaping() {
        for code in Code::ALL {
            assert!(
                code.message().bytes().all(|b| !b"\"\\<>&".contains(&b) && b >= b' '),
                "{}",
                code.as_str()
            );
        }
    }
}
