//! "Did you mean …?" for a misspelt name. Knows only texts.

/// The known name nearest to `word`: at most a third of its letters apart (at least one), regardless of case.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let limit = (word.chars().count() / 3).max(1);
    // Long garbage is never near a name, and the distance is quadratic.
    if word.len() > 200 {
        return None;
    }
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&word, &name.to_lowercase()), name))
        .filter(|(distance, _)| *distance <= limit)
        .min_by(|one, other| one.cmp(other))
        .map(|(_, name)| name)
}

/// Remedies for an unknown name: the nearest one, then what exists (`what` in the plural).
pub fn remedies(word: &str, known: &[&str], what: &str) -> Vec<String> {
    let mut help = Vec::new();
    if let Some(name) = nearest(word, known.iter().copied()) {
        help.push(format!("did you mean `{name}`?"));
    }
    if known.is_empty() {
        help.push(format!("there are no {what}"));
    } else {
        help.push(format!("{what}: {}", known.join(", ")));
    }
    help
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn finds_a_near_miss_and_leaves_strangers_alone() {
        let known = ["ecg", "darcy", "deepsea"];
        assert_eq!(nearest("egc", known), Some("ecg"));
        assert_eq!(nearest("Darci", known), Some("darcy"));
        assert_eq!(nearest("imagenet", known), None);
        assert_eq!(nearest("", known), None);
    }
}
