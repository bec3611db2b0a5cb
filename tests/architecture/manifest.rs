//! Reads what these tests ask of a `Cargo.toml`, however it is written.

/// Where a `[section]` of a manifest stands to the question "what does this room depend on?".
enum Section {
    /// `[dependencies]`: every key is a name.
    List,
    /// `[dependencies.name]`: the name was in the header; a `package` key may add another.
    Entry,
    /// Everything else, dev-dependencies among it.
    Other,
}

/// The crates one manifest depends on, under the names they have here and the names they have elsewhere.
/// Dev-dependencies are left out: a test may know more than the room it tests.
pub(crate) fn dependencies(manifest: &str) -> Vec<String> {
    let mut section = Section::Other;
    let mut names = Vec::new();
    for line in manifest.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        if let Some(header) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            // An array that runs over several lines never begins with a bare `[name]`; a header always does.
            let (kind, name) = section_of(header);
            section = kind;
            names.extend(name);
            continue;
        }
        match section {
            Section::List => names.extend(key_of(line).into_iter().chain(value_of(line, "package"))),
            Section::Entry => names.extend(value_of(line, "package")),
            Section::Other => {}
        }
    }
    names
}

/// The members of the workspace, each with the comment on its line.
pub(crate) fn members(root: &str) -> Vec<(String, String)> {
    let listed = root.lines().map(str::trim).skip_while(|line| !line.starts_with("members = [")).skip(1);
    listed
        .take_while(|line| !line.starts_with(']'))
        .filter_map(|line| {
            let (member, comment) = line.split_once('#').unwrap_or((line, ""));
            let name = unquoted(member.trim().trim_end_matches(','));
            (!name.is_empty()).then(|| (name.to_owned(), comment.trim().to_owned()))
        })
        .collect()
}

/// Whether a manifest says `[lints] workspace = true`.
pub(crate) fn keeps_the_lints(manifest: &str) -> bool {
    let mut lines = manifest.lines().map(str::trim).skip_while(|line| *line != "[lints]").skip(1);
    lines.next() == Some("workspace = true") || manifest.lines().any(|line| line.trim() == "lints.workspace = true")
}

/// Whether a manifest has each lint that the workspace has, in the same tables at the same level, but for one, which has
/// this level.
pub(crate) fn has_the_same_lints(manifest: &str, root: &str, except: (&str, &str)) -> bool {
    let expected = lints(root, "workspace.lints.").map(|(table, line)| {
        let excepted =
            line.split_once(" = ").filter(|it| it.0 == except.0).map(|it| format!("{} = {}", it.0, except.1));
        (table, excepted.unwrap_or(line))
    });
    lints(manifest, "lints.").eq(expected)
}

/// Every line of the tables whose names begin like this, without its comment, each with the rest of the table's name.
fn lints<'a>(manifest: &'a str, begins: &'a str) -> impl Iterator<Item = (String, String)> + 'a {
    let mut table = None;
    manifest.lines().filter_map(move |line| {
        let line = line.split('#').next().unwrap_or_default().trim();
        if let Some(header) = line.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
            table = header.strip_prefix(begins).map(str::to_owned);
            return None;
        }
        table.clone().filter(|_| !line.is_empty()).map(|it| (it, line.to_owned()))
    })
}

#[test]
fn a_room_with_lints_of_its_own_has_the_others() {
    let root = "[workspace.lints.rust]\na = \"deny\" # why\nb = \"warn\"\n\n[profile.dev]\nc = 1\n";
    let same = |own: &str| has_the_same_lints(own, root, ("a", "\"warn\""));
    assert!(same("[lints.rust]\na = \"warn\"\nb = \"warn\"\n"));
    assert!(!same("[lints.rust]\na = \"allow\"\nb = \"warn\"\n"));
    assert!(!same("[lints.rust]\na = \"warn\"\n"));
}

/// The string given to `wanted`, alone on its line or inside an inline table.
pub(crate) fn value_of(line: &str, wanted: &str) -> Option<String> {
    line.split(['{', ',', '}']).find_map(|part| {
        let (key, value) = part.split_once('=')?;
        let own = key.trim().rsplit('.').next() == Some(wanted);
        own.then(|| unquoted(value).to_owned())
    })
}

/// Reads a header such as `dependencies`, `dependencies.name` or `target.'cfg(unix)'.dependencies`.
fn section_of(header: &str) -> (Section, Option<String>) {
    let mut outside_quotes = true;
    let parts: Vec<&str> = header
        .split(|c: char| {
            outside_quotes ^= c == '\'' || c == '"';
            c == '.' && outside_quotes
        })
        .map(unquoted)
        .collect();
    let after_target = match parts.as_slice() {
        ["target", _, rest @ ..] => rest,
        all => all,
    };
    match after_target {
        ["dependencies" | "build-dependencies"] => (Section::List, None),
        ["dependencies" | "build-dependencies", name, ..] => (Section::Entry, Some((*name).to_owned())),
        _ => (Section::Other, None),
    }
}

/// The name before `=`, or before the first dot of `name.workspace = true`. Lines without `=` continue a value.
fn key_of(line: &str) -> Option<String> {
    let (key, _) = line.split_once('=')?;
    let name = unquoted(key.split('.').next()?);
    let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    plain.then(|| name.to_owned())
}

fn unquoted(text: &str) -> &str {
    text.trim().trim_matches(['"', '\''])
}

#[test]
fn a_dependency_is_seen_however_it_is_written() {
    let manifest = r#"
        [package]
        name = "room"

        [dependencies]
        audit.workspace = true
        serde = { version = "1", features = [
            "derive",
        ] }
        "quoted" = "1"
        alias = { package = "renamed-inline", version = "1" }

        [dependencies.in-a-table]
        workspace = true

        [dependencies.other-alias]
        package = "renamed-in-a-table"

        [target.'cfg(unix)'.dependencies]
        only-unix = "1"

        [target.'cfg(unix)'.dependencies.unix-table]
        version = "1"

        [build-dependencies]
        build-helper = "1"

        [dev-dependencies]
        proptest = "1"

        [dev-dependencies.left-out-too]
        version = "1"

        [features]
        default = []
    "#;
    let expected = [
        "audit",
        "serde",
        "quoted",
        "alias",
        "renamed-inline",
        "in-a-table",
        "other-alias",
        "renamed-in-a-table",
        "only-unix",
        "unix-table",
        "build-helper",
    ];
    assert_eq!(dependencies(manifest), expected);
}

#[test]
fn members_come_with_their_comments() {
    let root = "[workspace]\nmembers = [\n  \"gateway/a\",  # what a is\n  \"gateway/b\",\n]\n";
    let expected = [("gateway/a", "what a is"), ("gateway/b", "")];
    assert_eq!(members(root), expected.map(|(member, comment)| (member.to_owned(), comment.to_owned())));
}

#[test]
fn a_manifest_that_leaves_the_lints_is_seen() {
    assert!(keeps_the_lints("[lints]\nworkspace = true\n"));
    assert!(!keeps_the_lints("[lints.rust]\nunsafe_code = \"allow\"\n"));
}
