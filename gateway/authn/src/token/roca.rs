//! CVE-2017-15361: RSA keys of certain smart cards, whose primes can be computed from the modulus.

/// Those cards drew primes that are powers of this one modulo every one of [`PRIMES`], and so is their product.
const GENERATOR: u32 = 65_537;

/// The primes that divide what the shortest of those keys were drawn with, without two. Longer keys have all these too.
const PRIMES: [u32; 38] = [
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109,
    113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
];

/// Whether a modulus has their mark. One of some 2^27 others has it as well.
pub(super) fn gives_away_its_primes(modulus: &[u8]) -> bool {
    PRIMES.iter().all(|prime| is_power(remainder(modulus, *prime), *prime))
}

fn remainder(number: &[u8], prime: u32) -> u32 {
    number.iter().fold(0, |rest, byte| (rest * 256 + u32::from(*byte)) % prime)
}

fn is_power(number: u32, prime: u32) -> bool {
    let step = |it: &u32| Some(it * (GENERATOR % prime) % prime);
    let most = usize::try_from(prime).unwrap_or_default();
    std::iter::successors(Some(1), step).take(most).any(|it| it == number)
}
