//! Frames of HTTP/2, byte for byte, for tests that must control each of them.

use crate::Connection;

/// What a connection begins with.
pub fn begin() -> Vec<u8> {
    [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &frame(4, 0, 0, b"")].concat()
}

/// One frame.
#[track_caller]
pub fn frame(kind: u8, flags: u8, stream: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).expect("a short frame").to_be_bytes();
    [&length[1..], &[kind, flags, 0, 0, 0, stream], content].concat()
}

/// The head of a request on stream 1 that has no body, with every name and value spelled out.
#[track_caller]
pub fn head(fields: &[(&str, &str)]) -> Vec<u8> {
    let length = |it: &str| u8::try_from(it.len()).ok().filter(|it| *it < 127).expect("a short text");
    let field = |(name, value): &(&str, &str)| {
        [&[0, length(name)], name.as_bytes(), &[length(value)], value.as_bytes()].concat()
    };
    frame(1, 5, 1, &fields.iter().flat_map(field).collect::<Vec<u8>>())
}

/// The head of a request on stream 1 whose body is to follow.
#[track_caller]
pub fn open(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut head = head(fields);
    head[4] = 4;
    head
}

/// The body of the answer on stream 1; nothing where the stream is reset before its end.
#[track_caller]
pub fn answer(connection: &mut Connection) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let head = connection.bytes(9);
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let content = connection.bytes(length);
        match (head[3], head[8]) {
            (0, 1) => body.extend(content),
            (3, 1) => return None,
            _ => {}
        }
        if head[8] == 1 && head[3] < 2 && head[4] & 1 == 1 {
            return Some(body);
        }
    }
}
