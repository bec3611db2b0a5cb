//! Where users may be sent back to. Compared to the letter, for everything cleverer has been deceived.

/// The longest there can be, in bytes.
const LONGEST: usize = 2048;

/// Names of the machine that a browser runs on.
const LOOPBACK: [&str; 3] = ["127.0.0.1", "[::1]", "localhost"];

/// A place, taken apart as far as it must be.
struct Place<'a> {
    secure: bool,
    host: &'a str,
    port: Option<&'a str>,
    rest: &'a str,
}

impl<'a> Place<'a> {
    /// Reads `https://host[:port]/..` or `http://..`, all of it in ASCII, without user, fragment and anything that some
    /// reader takes for something else.
    fn read(uri: &'a str) -> Option<Self> {
        let harmless = |it: u8| it.is_ascii_graphic() && !matches!(it, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'#');
        if LONGEST < uri.len() || !uri.bytes().all(|it| harmless(it) && !matches!(it, b'{' | b'|' | b'}')) {
            return None;
        }
        let (secure, after) = match uri.strip_prefix("https://") {
            Some(after) => (true, after),
            None => (false, uri.strip_prefix("http://")?),
        };
        let (authority, rest) = after.split_at(after.find(['/', '?']).unwrap_or(after.len()));
        let (host, port) = match authority.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')) {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        };
        let named = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || matches!(it, b'.' | b'-');
        let is_host = !host.is_empty() && (host == "[::1]" || host.bytes().all(named));
        let is_port = port.is_none_or(|it| it.parse::<u16>().is_ok_and(|read| read > 0 && read.to_string() == it));
        (is_host && is_port).then_some(Self { secure, host, port, rest })
    }

    fn is_loopback(&self) -> bool {
        !self.secure && LOOPBACK.contains(&self.host)
    }
}

/// Whether users may be sent there at all: over TLS, or to the machine that they sit at.
pub(crate) fn is_good(uri: &str) -> bool {
    Place::read(uri).is_some_and(|it| it.secure || it.is_loopback())
}

/// Whether a place that is asked for is this one.
pub(super) fn same(named: &str, asked: &str) -> bool {
    if named == asked {
        return true;
    }
    let (Some(named), Some(asked)) = (Place::read(named), Place::read(asked)) else { return false };
    let both = named.is_loopback() && asked.is_loopback();
    both && asked.port.is_some() && (named.host, named.rest) == (asked.host, asked.rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_sent_over_tls_or_to_the_machine_that_they_sit_at() {
        for good in [
            "https://app.example/cb",
            "https://app.example:8443/cb?a=b",
            "https://app.example",
            "http://127.0.0.1/cb",
            "http://127.0.0.1:7000/cb",
            "http://[::1]:7000/cb",
            "http://localhost/cb",
        ] {
            assert!(is_good(good), "{good}");
        }
        for bad in [
            "",
            "app:/cb",
            "http://app.example/cb",
            "http://127.0.0.1.evil.example/cb",
            "http://localhost@evil.example/cb",
            "https://user@app.example/cb",
            "https://app.example/cb#x",
            "https://app.example/c b",
            "https://app.example\\@evil.example/cb",
            "https:///cb",
            "https://app.example:0/cb",
            "https://app.example:080/cb",
            "https://app.example:99999/cb",
            "HTTPS://app.example/cb",
            "https://App.example/cb",
            "https://\u{e9}.example/cb",
            "//app.example/cb",
            "javascript:alert(1)",
            "https://app.example/\r\nx: y",
        ] {
            assert!(!is_good(bad), "{bad}");
        }
    }

    #[test]
    fn only_the_port_of_the_users_own_machine_may_be_another() {
        assert!(same("https://app.example/cb", "https://app.example/cb"));
        assert!(same("http://127.0.0.1/cb", "http://127.0.0.1:51234/cb"));
        assert!(same("http://127.0.0.1:1/cb?a", "http://127.0.0.1:51234/cb?a"));
        assert!(same("http://[::1]/cb", "http://[::1]:51234/cb"));
        for asked in [
            "https://app.example/cb/",
            "https://app.example/cb?x=1",
            "https://app.example/cb/../evil",
            "https://app.example/%63b",
            "https://app.example:443/cb",
            "https://app.example:8443/cb",
            "https://evil.example/cb",
            "https://app.example.evil.example/cb",
            "https://app.example@evil.example/cb",
            "http://app.example/cb",
            "https://app.example/cb#",
        ] {
            assert!(!same("https://app.example/cb", asked), "{asked}");
        }
        for asked in
            ["http://127.0.0.1:1/cb2", "http://localhost:1/cb", "https://127.0.0.1:1/cb", "http://127.0.0.2:1/cb"]
        {
            assert!(!same("http://127.0.0.1/cb", asked), "{asked}");
        }
    }
}
