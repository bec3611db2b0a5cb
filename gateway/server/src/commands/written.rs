//! What is written of times and networks in the words of a command.

use std::time::Duration;

use domain::Timestamp;
use ipnet::IpNet;

/// A moment, or a length of time from now.
pub(super) fn end(text: &str, now: Timestamp) -> anyhow::Result<Timestamp> {
    text.parse().or_else(|_| length(text).map(|it| now + it)).map_err(|_| {
        anyhow::anyhow!(
            "`{text}` is neither a moment such as `2027-01-01T00:00:00Z` nor a length of time such as `24h`"
        )
    })
}

/// A length of time, also in days.
pub(super) fn length(text: &str) -> Result<Duration, String> {
    let days = text.strip_suffix('d').and_then(|it| it.trim().parse::<u32>().ok());
    let read = match days {
        Some(days) => Some(Duration::from_secs(u64::from(days) * 86_400)),
        None => text.parse::<jiff::SignedDuration>().ok().and_then(|it| it.try_into().ok()),
    };
    read.ok_or_else(|| format!("`{text}` is not a length of time such as `24h` or `90d`"))
}

/// A network, or one address. An address with a length that does not end it could mean either.
pub(super) fn network(text: &str) -> Result<IpNet, String> {
    let address = || text.parse::<std::net::IpAddr>().map(IpNet::from).ok();
    let read: Option<IpNet> = text.parse().ok().or_else(address);
    let read = read.ok_or_else(|| format!("`{text}` is neither an address nor a network"))?;
    let (network, one) = (read.trunc(), IpNet::from(read.addr()));
    if network == read {
        return Ok(read);
    }
    Err(format!("`{text}` is an address within a network; help: write `{network}` for all of it, or `{one}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_a_moment_or_a_length_of_time() {
        let now = Timestamp::from_seconds(1_000_000);
        assert_eq!(end("1970-01-12T13:46:41Z", now).unwrap(), Timestamp::from_seconds(1_000_001));
        assert_eq!(end("24h", now).unwrap(), Timestamp::from_seconds(1_086_400));
        assert_eq!(end("2d", now).unwrap(), Timestamp::from_seconds(1_172_800));
        assert!(end("soon", now).is_err());
        assert!(end("-1h", now).is_err());
    }

    #[test]
    fn an_address_alone_is_a_network_of_one_and_one_within_a_network_is_neither() {
        assert_eq!(network("203.0.113.9").unwrap().to_string(), "203.0.113.9/32");
        assert_eq!(network("2001:db8::/32").unwrap().to_string(), "2001:db8::/32");
        assert!(network("203.0.113").is_err());
        for (bad, all, one) in [
            ("10.0.0.5/8", "`10.0.0.0/8`", "`10.0.0.5/32`"),
            ("2001:db8::1/32", "`2001:db8::/32`", "`2001:db8::1/128`"),
        ] {
            let told = network(bad).unwrap_err();
            assert!(told.contains(all) && told.contains(one), "{told}");
        }
        assert!(network("0.0.0.0/0").is_ok() && network("10.0.0.5/32").is_ok());
    }
}
