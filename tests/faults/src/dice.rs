//! Chance that can be had again.

/// Numbers from a seed (`SplitMix64`).
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// The same numbers for the same seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub fn any(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// One of 0 to `count` - 1; 0 where there is none.
    pub fn below(&mut self, count: u64) -> u64 {
        self.any().checked_rem(count).unwrap_or_default()
    }

    /// Whether one of so many times it is this one.
    pub fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

/// The seed of a campaign: `PORTCULLIS_SEED`, or always the same. Told when a test fails, so that it can be run again.
#[derive(Debug)]
pub struct Seed(u64);

impl Seed {
    /// As the environment says.
    #[track_caller]
    pub fn of_environment() -> Self {
        Self(number("PORTCULLIS_SEED", 1))
    }

    /// The dice of one part of the campaign.
    pub fn dice(&self, part: u64) -> Dice {
        let mut dice = Dice::new(self.0 ^ part.rotate_left(32));
        let _ = dice.any();
        dice
    }
}

impl Drop for Seed {
    #[expect(clippy::print_stderr, reason = "whoever sees the test fail must be able to repeat it")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("to be run again with PORTCULLIS_SEED={}", self.0);
        }
    }
}

/// A number that whoever runs a campaign may choose.
#[track_caller]
pub fn number(variable: &str, otherwise: u64) -> u64 {
    let Some(text) = std::env::var_os(variable) else { return otherwise };
    text.to_str().and_then(|it| it.parse().ok()).unwrap_or_else(|| panic!("{variable} is no number"))
}

/// Says what a campaign did, for whoever keeps the results.
#[expect(clippy::print_stdout, reason = "the output of a test is kept by who runs it")]
pub fn tell(campaign: &str, done: &str) {
    println!("campaign: {campaign}: {done}");
}
