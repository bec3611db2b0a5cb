//! Who runs a command, as entries name them.

/// `os:` and the name of the account of this machine; its number where it has no name.
pub(crate) fn of_this_process() -> String {
    let uid = rustix::process::getuid().as_raw();
    let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    format!("os:{}", name(&accounts, uid).map_or_else(|| uid.to_string(), str::to_owned))
}

/// The name of the account with this number (passwd(5)).
fn name(accounts: &str, uid: u32) -> Option<&str> {
    let uid = uid.to_string();
    accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|it| !it.is_empty())?;
        (fields.nth(1)? == uid).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_named_as_the_machine_names_it() {
        let accounts = "root:x:0:0:root:/root:/bin/sh\n:x:7:7::/:\nshort:x\nops:x:1000:1000:Ops,,,:/home/ops:/bin/sh\n";
        assert_eq!(name(accounts, 0), Some("root"));
        assert_eq!(name(accounts, 1000), Some("ops"));
        assert_eq!((name(accounts, 7), name(accounts, 100)), (None, None));
    }
}
