//! What a search finds: for each cell type, two primitives with their inputs per node. Knows no network.

/// A primitive of the retained edges, in upstream's order without `none`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Primitive {
    MaxPool,
    AveragePool,
    Skip,
    /// Separable convolution with this kernel.
    Sep(usize),
    /// Dilated convolution with this kernel.
    Dil(usize),
}

/// A primitive and the number of the state that it reads: 0 and 1 are the cell's inputs, then its nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pick {
    pub primitive: Primitive,
    pub input: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Genotype {
    /// Two picks per node, node by node.
    pub normal: Vec<Pick>,
    pub reduce: Vec<Pick>,
}

impl Genotype {
    /// From the short notation: two letters or a letter and a kernel, then the input, such as `s30 sk1 d52 mp0`.
    ///
    /// Errors: an unknown primitive, an input that is not there yet, an odd number of picks.
    pub fn parse(normal: &str, reduce: &str) -> Result<Genotype, String> {
        Ok(Genotype { normal: picks(normal)?, reduce: picks(reduce)? })
    }
}

fn picks(text: &str) -> Result<Vec<Pick>, String> {
    let picks: Vec<Pick> = text.split_whitespace().map(pick).collect::<Result<_, _>>()?;
    if picks.is_empty() || !picks.len().is_multiple_of(2) {
        return Err(format!("genotype: two picks per node were expected, found `{text}`"));
    }
    match picks.iter().enumerate().find(|(at, pick)| pick.input >= 2 + at / 2) {
        Some((at, pick)) => Err(format!("genotype: node {} cannot read state {}: `{text}`", at / 2, pick.input)),
        None => Ok(picks),
    }
}

fn pick(text: &str) -> Result<Pick, String> {
    let wrong = || format!("genotype: mp, ap, sk, s3, s5, d3 or d5 and an input were expected, found `{text}`");
    let (name, input) = text.split_at_checked(2).ok_or_else(wrong)?;
    let primitive = match name {
        "mp" => Primitive::MaxPool,
        "ap" => Primitive::AveragePool,
        "sk" => Primitive::Skip,
        "s3" => Primitive::Sep(3),
        "s5" => Primitive::Sep(5),
        "d3" => Primitive::Dil(3),
        "d5" => Primitive::Dil(5),
        _ => return Err(wrong()),
    };
    Ok(Pick { primitive, input: input.parse().map_err(|_| wrong())? })
}

#[cfg(test)]
mod tests {
    use super::{Genotype, Pick, Primitive};

    #[test]
    fn the_short_notation_is_read() {
        let found = Genotype::parse("s30 sk1 d52 mp0", "ap0 mp1").unwrap();
        assert_eq!(found.normal[2], Pick { primitive: Primitive::Dil(5), input: 2 });
        assert_eq!(found.reduce.len(), 2);
        for wrong in ["s30", "s70 s31", "s30 s32", "s3x s31", ""] {
            assert!(Genotype::parse(wrong, "mp0 mp1").is_err(), "{wrong}");
        }
    }
}
