//! Rows to nouns. A row that is no noun can only have been written by someone else, and is a fault.
//!
//! A row is read as one line of text, for sqlx pays for every row with a switch between threads and for every column with
//! a copy: 100,000 keys of 20 columns took more than a second, and take a third of it as lines that come by the hundred.

use std::fmt::Display;
use std::str::{FromStr, Split};

use domain::{ApiName, Digest, KeyRecord, KeySecret, Overlap, Tenant, TierName, Timestamp};

/// Stands between the columns of a line. Nothing that is kept holds control characters.
const COLUMN: char = '\u{1f}';

/// Stands between lines that come together.
const LINE: char = '\u{1e}';

/// A tenant as one line, in the order in which [`tenant`] reads it. `NULL` is written as nothing.
macro_rules! tenant_line {
    () => {
        "format('%s\u{1f}%s\u{1f}%s\u{1f}%s\u{1f}%s', id, name, tiers, created, suspended)"
    };
}

/// A key as one line, in the order in which [`key`] reads it. `NULL` is written as nothing.
macro_rules! key_line {
    () => {
        "format('%s\u{1f}%s\u{1f}%s\u{1f}%s\u{1f}%s\u{1f}%s\u{1f}%s\u{1f}%s\u{1f}%s\u{1f}%s\u{1f}%s\u{1f}%s\u{1f}%s\
         \u{1f}%s\u{1f}%s\u{1f}%s\u{1f}%s\u{1f}%s\u{1f}%s\u{1f}%s\u{1f}%s\u{1f}%s\u{1f}%s\u{1f}%s', id, lineage, api, tenant, name, owner, \
         form, hex(digest), pepper, access_key_id, hex(sealed), granted, scopes, tier, ip_allow, bound, created, expires, \
         rotated_from, overlap_since, overlap_until, revoked, suspended, last_used)"
    };
}

/// All rows of a table as lines, many of them in each row of the answer.
macro_rules! all_lines {
    ($line:expr, $table:literal) => {
        concat!(
            "WITH RECURSIVE part(low) AS (SELECT 0 UNION ALL SELECT low + 256 FROM part WHERE low + 256 < ",
            "(SELECT max(seq) FROM ",
            $table,
            ")) SELECT coalesce((SELECT group_concat(line, '\u{1e}') FROM (SELECT ",
            $line,
            " AS line FROM ",
            $table,
            " WHERE low < seq AND seq <= low + 256 ORDER BY seq)), '') FROM part"
        )
    };
}

pub(super) use {all_lines, key_line, tenant_line};

/// The lines that came together.
pub(super) fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split(LINE).filter(|it| !it.is_empty())
}

pub(super) fn tenant(line: &str) -> Result<Tenant, sqlx::Error> {
    let pair = |it: &str| -> Result<(ApiName, TierName), sqlx::Error> {
        let (api, tier) = it.split_once('=').ok_or_else(|| unreadable("a tier without an API"))?;
        Ok((parsed(api)?, parsed(tier)?))
    };
    let mut columns = Columns(line.split(COLUMN));
    let tenant = Tenant {
        id: columns.parsed()?,
        name: columns.text()?.to_owned(),
        tiers: columns.text()?.split_whitespace().map(pair).collect::<Result<_, _>>()?,
        created: Timestamp::from_nanos(columns.parsed()?),
        suspended: columns.moment()?,
    };
    columns.end()?;
    Ok(tenant)
}

pub(super) fn key(line: &str) -> Result<KeyRecord, sqlx::Error> {
    let mut columns = Columns(line.split(COLUMN));
    let key = KeyRecord {
        id: columns.parsed()?,
        lineage: columns.parsed()?,
        api: columns.parsed()?,
        tenant: columns.parsed()?,
        name: columns.text()?.to_owned(),
        owner: columns.optional()?.map(str::to_owned),
        secret: columns.secret()?,
        scopes: columns.words()?,
        tier: columns.parsed()?,
        ip_allow: columns.words()?,
        bound: columns.optional()?.map(parsed).transpose()?,
        created: Timestamp::from_nanos(columns.parsed()?),
        expires: columns.moment()?,
        rotated_from: columns.optional()?.map(parsed).transpose()?,
        overlap: columns.overlap()?,
        revoked: columns.moment()?,
        suspended: columns.moment()?,
        last_used: columns.moment()?,
    };
    columns.end()?;
    Ok(key)
}

/// What is left of a line.
struct Columns<'a>(Split<'a, char>);

impl<'a> Columns<'a> {
    fn text(&mut self) -> Result<&'a str, sqlx::Error> {
        self.0.next().ok_or_else(|| unreadable("a row with too few columns"))
    }

    fn optional(&mut self) -> Result<Option<&'a str>, sqlx::Error> {
        self.text().map(|it| Some(it).filter(|it| !it.is_empty()))
    }

    fn parsed<T: FromStr<Err: Display>>(&mut self) -> Result<T, sqlx::Error> {
        parsed(self.text()?)
    }

    fn moment(&mut self) -> Result<Option<Timestamp>, sqlx::Error> {
        Ok(self.optional()?.map(parsed).transpose()?.map(Timestamp::from_nanos))
    }

    fn overlap(&mut self) -> Result<Option<Overlap>, sqlx::Error> {
        let (since, until) = (self.moment()?, self.moment()?);
        // A key that was retired stays so, whether or not anybody wrote down since when.
        Ok(until.map(|until| Overlap { since: since.unwrap_or(until), until }))
    }

    fn words<T: FromStr<Err: Display>>(&mut self) -> Result<Vec<T>, sqlx::Error> {
        self.text()?.split_whitespace().map(parsed).collect()
    }

    fn secret(&mut self) -> Result<KeySecret, sqlx::Error> {
        let (form, digest, pepper) = (self.text()?, self.text()?, self.text()?);
        let (access_key_id, sealed, granted) = (self.text()?, self.text()?, self.text()?);
        let digested = || -> Result<(Digest, u16), sqlx::Error> {
            let mut bytes = [0; 32];
            hex::decode_to_slice(digest, &mut bytes).map_err(unreadable)?;
            Ok((bytes, parsed(pepper)?))
        };
        match form {
            "1" => digested().map(|(digest, pepper)| KeySecret::Minted { digest, pepper }),
            "2" => digested().map(|(digest, pepper)| KeySecret::Imported { digest, pepper }),
            "3" => Ok(KeySecret::AccessKey {
                access_key_id: access_key_id.to_owned(),
                sealed: hex::decode(sealed).map_err(unreadable)?,
            }),
            "4" => serde_json::from_str(granted).map(KeySecret::Granted).map_err(unreadable),
            other => Err(unreadable(format!("a key of form {other}"))),
        }
    }

    fn end(mut self) -> Result<(), sqlx::Error> {
        if self.0.next().is_none() { Ok(()) } else { Err(unreadable("a row with too many columns")) }
    }
}

pub(super) fn parsed<T: FromStr<Err: Display>>(text: &str) -> Result<T, sqlx::Error> {
    text.parse().map_err(unreadable::<T::Err>)
}

fn unreadable<E: Display>(why: E) -> sqlx::Error {
    sqlx::Error::Decode(why.to_string().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_no_row_is_a_fault() {
        let good = ["t", "name", "api=tier", "1", ""].join("\u{1f}");
        assert_eq!(tenant(&good).unwrap().name, "name");
        for bad in ["", "t", &good.replace("api=tier", "api"), &good.replace('1', "one"), &format!("{good}\u{1f}")] {
            assert!(tenant(bad).is_err(), "{bad:?}");
            assert!(key(bad).is_err(), "{bad:?}");
        }
    }
}
