//! A request as its bytes, put together step by step.

use serde_json::Value;

/// What is sent. Nothing is added but `Host` and, where there is a body, its length; both can be said otherwise.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The host that TLS and `Host` name.
    pub host: String,
    /// Path and query, byte for byte.
    pub target: String,
    /// The header lines, in order.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// Whether it goes through the TLS door.
    pub tls: bool,
}

impl Request {
    /// A request over TLS without a body.
    pub fn new(method: &str, host: &str, target: &str) -> Self {
        Self {
            method: method.to_owned(),
            host: host.to_owned(),
            target: target.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            tls: true,
        }
    }

    /// A GET over TLS.
    pub fn get(host: &str, target: &str) -> Self {
        Self::new("GET", host, target)
    }

    /// A POST over TLS.
    pub fn post(host: &str, target: &str) -> Self {
        Self::new("POST", host, target)
    }

    /// A DELETE over TLS.
    pub fn delete(host: &str, target: &str) -> Self {
        Self::new("DELETE", host, target)
    }

    /// One more header line.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Shows a key the way all five APIs take it.
    #[must_use]
    pub fn bearer(self, key: &str) -> Self {
        self.header("Authorization", &format!("Bearer {key}"))
    }

    /// A JSON body.
    #[must_use]
    pub fn json(self, value: &Value) -> Self {
        self.body("application/json", value.to_string())
    }

    /// A body of any type.
    #[must_use]
    pub fn body(mut self, media_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.header("Content-Type", media_type)
    }

    /// Through the door without TLS.
    #[must_use]
    pub fn plain(mut self) -> Self {
        self.tls = false;
        self
    }

    /// As it goes over the wire.
    pub fn bytes(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        let mut line = |name: &str, value: &str| {
            head.push_str(name);
            head.push_str(": ");
            head.push_str(value);
            head.push_str("\r\n");
        };
        let says = |name: &str| self.headers.iter().any(|(it, _)| it.eq_ignore_ascii_case(name));
        if !says("host") {
            line("Host", &self.host);
        }
        for (name, value) in &self.headers {
            line(name, value);
        }
        let measured = says("content-length") || says("transfer-encoding");
        if !measured && (!self.body.is_empty() || matches!(self.method.as_str(), "POST" | "PUT" | "PATCH")) {
            line("Content-Length", &self.body.len().to_string());
        }
        head.push_str("\r\n");
        [head.into_bytes(), self.body.clone()].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(request: &Request, expected: &str) {
        assert_eq!(String::from_utf8(request.bytes()).unwrap(), expected);
    }

    #[test]
    fn only_host_and_length_are_added_and_both_can_be_said_otherwise() {
        check(&Request::get("a.b", "/x?y"), "GET /x?y HTTP/1.1\r\nHost: a.b\r\n\r\n");
        check(&Request::get("a.b", "/").header("host", "c"), "GET / HTTP/1.1\r\nhost: c\r\n\r\n");
        let posted = Request::post("a.b", "/").body("text/plain", "hello");
        check(&posted, "POST / HTTP/1.1\r\nHost: a.b\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello");
        let lying = Request::post("a.b", "/").header("content-length", "9");
        check(&lying, "POST / HTTP/1.1\r\nHost: a.b\r\ncontent-length: 9\r\n\r\n");
    }
}
