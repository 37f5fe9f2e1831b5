//! Which amino acids stand where: a table by structure and burial, and a residue's profile drawn from it
//! (task specification §13.8). Knows no chain.

use crate::data::synthetic::{Purpose, Stream};
use crate::tasks::psicov::protein::PROFILE;

/// Amino acids by their letters, in the order of profiles.
pub const LETTERS: &[u8; 20] = b"ARNDCQEGHILKMFPSTWYV";
/// Deviation of a profile's logits around the table's.
const NOISE: f64 = 0.7;

/// Logits of 20 amino acids, by structure (3) and burial (2); shared by all splits.
pub struct Table([[[f64; 20]; 2]; 3]);

/// One residue.
pub struct Residue {
    pub letter: char,
    pub profile: [f32; PROFILE],
    /// Of its distribution, as a share of that of 21 equally likely letters.
    pub entropy: f32,
}

impl Table {
    pub fn draw(seed: Option<u64>) -> Table {
        let logits = |fold: usize, buried: usize| {
            let index = (2 * fold + buried) as u64;
            let mut stream = Stream::new("psicov", "world", Purpose::World, index, seed);
            std::array::from_fn(|_| stream.normal())
        };
        Table(std::array::from_fn(|fold| std::array::from_fn(|buried| logits(fold, buried))))
    }

    /// A residue of structure `fold` (its number), inside the protein or at its surface.
    pub fn residue(&self, fold: usize, buried: bool, stream: &mut Stream) -> Residue {
        let logits = self.0[fold][usize::from(buried)].map(|logit| logit + NOISE * stream.normal());
        let top = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights = logits.map(|logit| (logit - top).exp());
        let total: f64 = weights.iter().sum();
        let shares = weights.map(|weight| weight / total);
        let mut left = stream.uniform();
        let drawn = shares.iter().position(|share| {
            left -= share;
            left < 0.0
        });
        let entropy: f64 = shares.iter().map(|share| -share * share.ln()).sum();
        let mut profile = [0f32; PROFILE];
        for (value, share) in profile.iter_mut().zip(shares) {
            // log-odds against equal shares, through a logistic curve
            let odds = 20.0 * share;
            *value = (odds / (1.0 + odds)) as f32;
        }
        profile[20] = (1.0 - entropy / 20f64.ln()) as f32;
        profile[21] = stream.between(0.7, 1.0) as f32;
        Residue { letter: char::from(LETTERS[drawn.unwrap_or(19)]), profile, entropy: (entropy / 21f64.ln()) as f32 }
    }
}

#[cfg(test)]
mod tests {
    use super::{LETTERS, Table};
    use crate::data::synthetic::{Purpose, Stream};

    #[test]
    fn profiles_agree_with_the_letters_drawn() {
        let table = Table::draw(None);
        let mut stream = Stream::new("psicov", "test", Purpose::Noise, 0, None);
        let (mut best, mut uniform) = (0, 0);
        for index in 0..2000 {
            let residue = table.residue(index % 3, index % 2 == 0, &mut stream);
            let at = LETTERS.iter().position(|letter| char::from(*letter) == residue.letter).unwrap();
            let likelier = residue.profile[..20].iter().filter(|share| **share > residue.profile[at]).count();
            best += usize::from(likelier < 3);
            uniform += usize::from(likelier >= 10);
            assert!((0.0..1.0).contains(&residue.entropy) && (0.7..1.0).contains(&residue.profile[21]));
        }
        assert!(best > 3 * uniform, "{best} {uniform}");
    }
}
