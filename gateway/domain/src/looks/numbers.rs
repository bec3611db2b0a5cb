//! Numbers that belong to somebody: of payment cards, and of people.

/// The shortest and the longest number of a card.
const SHORTEST: usize = 13;
const LONGEST: usize = 19;

/// How the digits of cards are set apart where they are: nobody writes them otherwise.
const GROUPS: [&[usize]; 5] = [&[4, 4, 4, 4], &[4, 6, 5], &[4, 6, 4], &[4, 4, 4, 4, 3], &[4, 4, 4, 1]];

/// How those of a social security number are.
const SSN: &[usize] = &[3, 2, 4];

/// What of this kind a text holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    /// The number of a payment card.
    pub card: bool,
    /// What looks like a social security number of the United States.
    pub person: bool,
}

/// What of this kind a text holds.
pub fn numbers_in(text: &str) -> Numbers {
    let mut found = Numbers::default();
    let mut bytes = text.as_bytes();
    while let Some(start) = bytes.iter().position(u8::is_ascii_digit) {
        let joined = start.checked_sub(1).and_then(|it| bytes.get(it)).is_some_and(|it| is_joined(*it) || *it == b'.');
        let rest = bytes.get(start..).unwrap_or_default();
        let chain = Chain::read(rest);
        bytes = rest.get(chain.length..).unwrap_or_default();
        if !joined && !bytes.first().is_some_and(|it| is_joined(*it)) {
            found.card |= chain.is_card();
            found.person |= chain.is_person();
        }
    }
    found
}

/// Whether a byte makes what stands beside it a part of something longer: of hexadecimal or Base64, of an id.
fn is_joined(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'+')
}

/// Groups of digits with the same single space or hyphen between them.
struct Chain {
    /// In bytes.
    length: usize,
    separator: Option<u8>,
    digits: Vec<u8>,
    groups: Vec<usize>,
    /// There is more of it than any number has.
    long: bool,
}

impl Chain {
    /// From the first digit on. Keeps no more of it than counts, and goes over all of it.
    fn read(bytes: &[u8]) -> Self {
        let mut chain = Self { length: 0, separator: None, digits: Vec::new(), groups: vec![0], long: false };
        while let Some(byte) = bytes.get(chain.length) {
            let next_is_digit = bytes.get(chain.length + 1).is_some_and(u8::is_ascii_digit);
            if byte.is_ascii_digit() {
                chain.take(byte - b'0');
            } else if matches!(byte, b' ' | b'-') && next_is_digit && chain.separator.is_none_or(|it| it == *byte) {
                chain.separator = Some(*byte);
                chain.long |= chain.groups.len() > GROUPS.len();
                if !chain.long {
                    chain.groups.push(0);
                }
            } else {
                break;
            }
            chain.length += 1;
        }
        chain
    }

    fn take(&mut self, digit: u8) {
        self.long |= self.digits.len() == LONGEST;
        if let (false, Some(last)) = (self.long, self.groups.last_mut()) {
            self.digits.push(digit);
            *last += 1;
        }
    }

    fn is_card(&self) -> bool {
        let grouped = self.groups.len() == 1 || GROUPS.contains(&self.groups.as_slice());
        !self.long && SHORTEST <= self.digits.len() && grouped && is_issued(&self.digits) && is_checked(&self.digits)
    }

    /// Those that were never given to anybody are left out: areas 000, 666 and 900 on, group 00, serial 0000.
    fn is_person(&self) -> bool {
        let number = |range: std::ops::Range<usize>| value(self.digits.get(range).unwrap_or_default());
        let given = !matches!(number(0..3), 0 | 666 | 900..) && number(3..5) != 0 && number(5..9) != 0;
        !self.long && self.groups == SSN && self.separator == Some(b'-') && given
    }
}

fn value(digits: &[u8]) -> u32 {
    digits.iter().fold(0, |so_far, it| so_far * 10 + u32::from(*it))
}

/// Whether a card of this length has been given out under this beginning.
fn is_issued(digits: &[u8]) -> bool {
    let first = |count: usize| value(digits.get(..count).unwrap_or_default());
    let (length, two, three, four) = (digits.len(), first(2), first(3), first(4));
    let visa = matches!((length, two), (13 | 16 | 19, 40..=49));
    let american_express = matches!((length, two), (15, 34 | 37));
    let mastercard = length == 16 && matches!((two, four), (51..=55, _) | (_, 2221..=2720));
    let discover = 16 <= length && matches!((two, three, four), (65, ..) | (_, 644..=649, _) | (.., 6011));
    let unionpay_or_jcb = 16 <= length && (two == 62 || matches!(four, 3528..=3589));
    let diners = 14 <= length && (matches!(two, 36 | 38 | 39) || matches!(three, 300..=305));
    visa || american_express || mastercard || discover || unionpay_or_jcb || diners
}

/// Whether the last digit is the one that ISO/IEC 7812 makes of the others.
fn is_checked(digits: &[u8]) -> bool {
    let doubled = |it: u8| if it < 5 { 2 * it } else { 2 * it - 9 };
    let weighed = digits.iter().rev().enumerate().map(|(at, it)| if at % 2 == 1 { doubled(*it) } else { *it });
    weighed.map(u32::from).sum::<u32>().is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What issuers give out for tests.
    const CARDS: [&str; 8] = [
        "4111111111111111",
        "4222222222222",
        "5555555555554444",
        "2223003122003222",
        "378282246310005",
        "6011111111111117",
        "3530111333300000",
        "30569309025904",
    ];

    #[test]
    fn cards_are_found_however_their_digits_are_set_apart() {
        for card in CARDS {
            for text in [card.to_owned(), format!("/pay/{card}/x"), format!("pan={card}&a"), format!("It is {card}.")] {
                assert!(numbers_in(&text).card, "{text}");
            }
        }
        for text in ["4111 1111 1111 1111", "a 4111-1111-1111-1111, b", "3782 822463 10005", "(5555-5555-5555-4444)"] {
            assert!(numbers_in(text).card, "{text}");
        }
    }

    #[test]
    fn other_numbers_are_no_cards() {
        for text in [
            "4111111111111112",                 // the wrong last digit
            "9111111111111110",                 // nobody's beginning
            "1790000000000000000",              // nanoseconds
            "41111111111111111111111111111111", // longer
            "a4111111111111111",                // of an id
            "4111111111111111b",
            "key_4111111111111111",
            "4111-1111-1111-1111-4111-1111-1111",
            "41 11 11 11 11 11 11 11",
            "4111 1111-1111 1111",
            "0.4111111111111111",
            "2026-11-22 13:00:00",
            "",
        ] {
            assert_eq!(numbers_in(text), Numbers::default(), "{text}");
        }
    }

    #[test]
    fn numbers_of_people_are_told_from_others() {
        assert_eq!(numbers_in("It is 219-09-9999."), Numbers { card: false, person: true });
        for text in
            ["000-12-3456", "666-12-3456", "900-12-3456", "219-00-9999", "219-09-0000", "219099999", "1219-09-9999"]
        {
            assert!(!numbers_in(text).person, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_card_is_found_among_any_words(before in "[a-z ]{0,20}[ /:,(]", at in 0..CARDS.len(), after in "[ /:,)][a-z ]{0,20}") {
            let text = format!("{before}{}{after}", CARDS[at]);
            prop_assert!(numbers_in(&text).card, "{}", text);
        }

        #[test]
        fn it_never_fails(text in "[0-9 -]{0,80}|\\PC{0,80}") {
            let _ = numbers_in(&text);
        }
    }
}
