//! A small deterministic random source (SplitMix64): the same seed gives the same catalog on
//! every machine and in every version of this crate.

/// A seeded source of pseudo-random numbers.
#[derive(Debug, Clone)]
pub(crate) struct Rng(u64);

/// Scrambles one number; equal inputs give equal outputs.
pub(crate) fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Scrambles a text, to order or to jitter documents by something unrelated to their dates.
pub(crate) fn mix_text(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// A number in `0.0..1.0` made from scrambled bits.
pub(crate) fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1u64 << 53) as f64
}

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Rng(mix(seed))
    }

    /// An independent source for one purpose, so that one purpose's draws never shift another's.
    pub(crate) fn derived(seed: u64, purpose: &str) -> Self {
        Rng(mix(seed ^ mix_text(purpose)))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number in `0.0..1.0`.
    pub(crate) fn unit(&mut self) -> f64 {
        unit(self.next())
    }

    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// A number in `0..bound`; 0 when `bound` is 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        if bound == 0 {
            return 0;
        }
        (self.next() % bound as u64) as usize
    }

    /// A number in `low..=high`.
    pub(crate) fn between(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high - low + 1)
    }

    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// Appends `digits` lower-case hexadecimal digits.
    pub(crate) fn hex(&mut self, digits: usize, out: &mut String) {
        let mut left = digits;
        while left > 0 {
            let mut bits = self.next();
            for _ in 0..left.min(16) {
                out.push(char::from(b"0123456789abcdef"[(bits & 15) as usize]));
                bits >>= 4;
            }
            left -= left.min(16);
        }
    }

    /// A made-up `sha256:…` digest.
    pub(crate) fn digest(&mut self) -> String {
        let mut text = String::with_capacity(71);
        text.push_str("sha256:");
        self.hex(64, &mut text);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_repeats_itself_and_purposes_differ() {
        let draw = |mut rng: Rng| (0..4).map(|_| rng.next()).collect::<Vec<_>>();
        assert_eq!(draw(Rng::new(7)), draw(Rng::new(7)));
        assert_ne!(draw(Rng::new(7)), draw(Rng::new(8)));
        assert_ne!(draw(Rng::derived(7, "images")), draw(Rng::derived(7, "bundles")));
    }

    #[test]
    fn numbers_stay_in_their_bounds() {
        let mut rng = Rng::new(1);
        for _ in 0..1000 {
            assert!((3..=5).contains(&rng.between(3, 5)));
            assert!((0.0..1.0).contains(&rng.unit()));
        }
        assert_eq!(rng.digest().len(), 71);
    }
}
