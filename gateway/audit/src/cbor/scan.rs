//! Looking through an entry for what somebody asks, without making anything of the rest.

use super::{NotCanonical, Reader};

/// A value that stands for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scalar<'b> {
    /// The bytes of a text, which are good UTF-8.
    Text(&'b [u8]),
    Number(i64),
}

/// Hands over every text and number of an entry that stands at its top or in one of its sections, with the name of the
/// section. Holds the whole of it to its one encoding, and allocates nothing.
pub(crate) fn scalars<'b>(
    entry: &'b [u8],
    mut each: impl FnMut(Option<&'b [u8]>, &'b [u8], Scalar<'b>),
) -> Result<(), NotCanonical> {
    let mut reader = Reader { rest: entry };
    let (5, count) = reader.head()? else { return Err(NotCanonical) };
    reader.names(count, |name, reader| match reader.major() {
        Some(5) => {
            let (_, count) = reader.head()?;
            reader.names(count, |inner, reader| reader.scalar(2, |it| each(Some(name), inner, it)))
        }
        _ => reader.scalar(1, |it| each(None, name, it)),
    })?;
    if reader.rest.is_empty() { Ok(()) } else { Err(NotCanonical) }
}

impl<'b> Reader<'b> {
    /// What kind of value comes next.
    fn major(&self) -> Option<u8> {
        self.rest.first().map(|it| it >> 5)
    }

    /// Reads one value, and hands it over if it stands for itself.
    fn scalar(&mut self, depth: usize, hand_over: impl FnOnce(Scalar<'b>)) -> Result<(), NotCanonical> {
        match self.major() {
            Some(0) => {
                // What no signed number holds is nothing that is asked for.
                let (_, argument) = self.head()?;
                if let Ok(number) = i64::try_from(argument) {
                    hand_over(Scalar::Number(number));
                }
            }
            Some(1) => {
                let (_, argument) = self.head()?;
                hand_over(Scalar::Number(-1 - i64::try_from(argument).map_err(|_| NotCanonical)?));
            }
            Some(3) => {
                let (_, length) = self.head()?;
                hand_over(Scalar::Text(self.text(length)?));
            }
            _ => self.pass(depth)?,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cbor::{Object, view};

    fn seen(entry: &[u8]) -> Vec<(Option<&str>, &str, Scalar<'_>)> {
        let text = |it| std::str::from_utf8(it).unwrap();
        let mut seen = Vec::new();
        scalars(entry, |section, name, value| seen.push((section.map(text), text(name), value))).unwrap();
        seen
    }

    #[test]
    fn what_stands_at_the_top_and_in_sections_is_handed_over() {
        let mut out = Vec::new();
        Object::write(&mut out, |it| {
            it.signed("a", -7);
            it.text("b", "x");
            it.flag("c", true);
            it.texts("d", ["list"].into_iter());
            it.number("e", u64::MAX);
            it.object("f", |it| {
                it.number("g", 9_u64);
                it.object("h", |it| it.text("too deep", "y"));
            });
        });
        assert_eq!(
            seen(&out),
            [(None, "a", Scalar::Number(-7)), (None, "b", Scalar::Text(b"x")), (Some("f"), "g", Scalar::Number(9)),]
        );
    }

    proptest! {
        #[test]
        fn it_takes_what_the_strict_reader_takes(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            // As entries begin, so that some of them go on well.
            let entry = [&[0xa1, 0x61, b'a'][..], &bytes].concat();
            prop_assert_eq!(scalars(&entry, |_, _, _| ()).is_ok(), view(&entry).is_ok());
            prop_assert_eq!(scalars(&bytes, |_, _, _| ()).is_ok(), view(&bytes).is_ok_and(|it| it.is_object()));
        }
    }
}
