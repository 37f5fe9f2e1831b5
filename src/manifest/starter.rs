//! Writes a manifest for a folder of arrays: finds inputs and targets by their names and shapes, says what it assumed.
//! Knows no file's format.

use std::fmt::Write;

/// An array of the folder, as far as a manifest is concerned.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// `file` or `file:array`.
    pub place: String,
    pub shape: Vec<usize>,
    pub whole: bool,
    pub binary: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Split {
    Train,
    Validation,
    Test,
}

/// What a name says of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Input,
    Target,
}

const INPUTS: [&str; 9] = ["x", "input", "inputs", "image", "images", "signal", "signals", "data", "features"];
const TARGETS: [&str; 10] =
    ["y", "target", "targets", "label", "labels", "mask", "masks", "class", "classes", "solutions"];

/// The words of a place without its file's ending: `x_train.npy` has `x` and `train`.
fn words(place: &str) -> Vec<String> {
    let (file, array) = place.rsplit_once(':').unwrap_or((place, ""));
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    let text = format!("{stem} {array}").to_lowercase();
    text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_string).collect()
}

fn role(words: &[String]) -> Option<Role> {
    // the last word that says something: `data.npz:y` is a target
    let of = |word: &String| {
        let plain = word.trim_end_matches(|c: char| c.is_ascii_digit());
        if INPUTS.contains(&plain) {
            Some(Role::Input)
        } else if TARGETS.contains(&plain) {
            Some(Role::Target)
        } else {
            let rest = |end: &str| plain.strip_suffix(end);
            let joined = ["train", "test", "val"].iter().find_map(|split| rest(split));
            match joined {
                Some("x") => Some(Role::Input),
                Some("y") => Some(Role::Target),
                _ => None,
            }
        }
    };
    words.iter().rev().find_map(of)
}

fn split(words: &[String]) -> Split {
    let any = |names: &[&str]| {
        words.iter().any(|word| names.iter().any(|name| word.starts_with(name) || word.ends_with(name)))
    };
    if any(&["test"]) {
        Split::Test
    } else if any(&["val", "dev"]) {
        Split::Validation
    } else {
        Split::Train
    }
}

/// What the shapes mean.
struct Guess {
    dimension: usize,
    kind: &'static str,
    channels_last: bool,
}

fn guess(x: &Candidate, y: &Candidate) -> Result<Guess, String> {
    let kind = match y.shape.len() {
        1 if y.whole => "point",
        2 if y.shape[1] == 1 && y.whole => "point",
        2 if y.binary && x.shape[1..] != y.shape[1..] => "multi-label",
        _ if y.shape.len() >= 2 => "dense",
        _ => {
            return Err(format!(
                "`{}` of shape {:?} holds neither classes 0, 1, …, nor labels 0 and 1, nor a value per position",
                y.place, y.shape
            ));
        }
    };
    let spatial = |from: &[usize]| y.shape.ends_with(from);
    let (dimension, channels_last) = match x.shape[1..] {
        [_] => (1, false),
        // a field per field: no channels
        [_, _] if kind == "dense" && y.shape[1..] == x.shape[1..] => (2, false),
        [channels, length] if kind == "dense" => (1, spatial(&[channels]) && !spatial(&[length])),
        [first, second] if first <= 16 || second <= 16 => (1, first > second),
        [first, second] if first * 4 <= second => (1, false),
        [_, _] => (2, false),
        [first, _, last] => (2, last <= 4 && first > 4),
        _ => {
            return Err(format!("`{}` of shape {:?}: expected (N,L), (N,C,L), (N,H,W) or (N,C,H,W)", x.place, x.shape));
        }
    };
    Ok(Guess { dimension, kind, channels_last })
}

/// The text of a manifest that trains the default network on the arrays of a folder.
///
/// # Errors
/// No pair of inputs and targets can be told: the message lists what was found and how to name files.
pub fn manifest(name: &str, dir: &str, own_name: &str, arrays: &[Candidate]) -> Result<String, String> {
    let mut roles: Vec<(Role, Split, &Candidate)> = Vec::new();
    for array in arrays.iter().filter(|array| !array.shape.is_empty()) {
        let words = words(&array.place);
        if let Some(role) = role(&words) {
            roles.push((role, split(&words), array));
        }
    }
    let find = |role: Role, split: Split| {
        let mut all = roles.iter().filter(|(r, s, _)| *r == role && *s == split).map(|(_, _, array)| *array);
        (all.next(), all.next())
    };
    let pair = |split: Split| match (find(Role::Input, split), find(Role::Target, split)) {
        ((Some(x), None), (Some(y), None)) => Ok(Some((x, y))),
        ((None, _), (None, _)) => Ok(None),
        ((Some(one), Some(two)), _) | (_, (Some(one), Some(two))) => {
            Err(format!("both `{}` and `{}` may be meant; keep one of them in the folder", one.place, two.place))
        }
        ((Some(one), _), _) | (_, (Some(one), _)) => Err(format!("`{}` has no partner", one.place)),
    };
    let listed = || {
        let line = |array: &Candidate| format!("  {} {:?}", array.place, array.shape);
        let lines: Vec<String> = arrays.iter().map(line).collect();
        if lines.is_empty() { "  no .npy, .npz or .safetensors file".to_string() } else { lines.join("\n") }
    };
    let hint =
        "call inputs `x` and targets `y` (x.npy, y.npy; x_train.npy, y_test.npy; or arrays of these names in an npz)";
    let Some((x, y)) = pair(Split::Train).map_err(|e| format!("{e}\nfound:\n{}\n{hint}", listed()))? else {
        return Err(format!("no inputs and targets to train on\nfound:\n{}\n{hint}", listed()));
    };
    let guess = guess(x, y)?;
    let more = |split: Split, word: &str| -> Result<String, String> {
        Ok(pair(split)?
            .map_or_else(String::new, |(x, y)| format!("{word}_x = \"{}\"\n{word}_y = \"{}\"\n", x.place, y.place)))
    };
    let (validation, test) = (more(Split::Validation, "validation")?, more(Split::Test, "test")?);
    let batch = (x.shape[0] / 8).clamp(1, 32);
    let mut text = String::new();
    let shapes = format!("{} {:?} with {} {:?}", x.place, x.shape, y.place, y.shape);
    let _ = write!(
        text,
        "# Purpose:  a task of your own: {shapes}, taken as {}D {}.\n\
         # Command:  nasperf-pipe {own_name}\n\
         # Duration: minutes; the network is small. Without [network] it has its published size.\n\
         # Result:   report/{name}/: the test score beside the trivial predictor's, three seeds.\n\n\
         [run]\nname = \"{name}\"\nseeds = [0, 1, 2]\n\n\
         [task.{name}]\ndimension = {}\nkind = \"{}\"  # point: one class; multi-label: several; dense: a value per position\n\
         dir = \"{dir}\"\nx = \"{}\"\ny = \"{}\"\n{validation}{test}",
        guess.dimension, guess.kind, guess.dimension, guess.kind, x.place, y.place
    );
    if guess.channels_last {
        text.push_str("channels_last = true\n");
    }
    if validation.is_empty() {
        text.push_str("validation_share = 0.1\n");
    }
    if test.is_empty() {
        text.push_str("test_share = 0.2\n");
    }
    let rate = if guess.kind == "dense" { "learning_rate = 0.01\n" } else { "" };
    let batch = if guess.kind == "dense" { batch.min(8) } else { batch };
    let _ = write!(
        text,
        "\n[[grid]]\ntask = [\"{name}\"]\nmethod = [\"wrn/default\"]\n\n[network]\nwidth = 4\n\n\
         [retrain]\nepochs = 30\nbatch = {batch}\n{rate}"
    );
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::{Candidate, manifest};

    fn array(place: &str, shape: &[usize], whole: bool, binary: bool) -> Candidate {
        Candidate { place: place.to_string(), shape: shape.to_vec(), whole, binary }
    }

    #[test]
    fn series_with_labels() {
        let arrays = [array("d.npz:x", &[500, 3, 200], false, false), array("d.npz:y", &[500, 5], true, true)];
        let text = manifest("mine", "d", "mine.toml", &arrays).unwrap();
        for part in ["dimension = 1", "kind = \"multi-label\"", "x = \"d.npz:x\"", "test_share = 0.2", "batch = 32"] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert!(!text.contains("channels_last"));
    }

    #[test]
    fn fields_with_a_test_of_their_own() {
        let arrays = [
            array("x_test.npy", &[20, 32, 32], false, false),
            array("x_train.npy", &[80, 32, 32], false, false),
            array("y_test.npy", &[20, 32, 32], false, false),
            array("y_train.npy", &[80, 32, 32], false, false),
        ];
        let text = manifest("mine", "d", "mine.toml", &arrays).unwrap();
        for part in
            ["dimension = 2", "kind = \"dense\"", "test_x = \"x_test.npy\"", "batch = 8", "learning_rate = 0.01"]
        {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert!(!text.contains("test_share"));
    }

    #[test]
    fn pictures_with_channels_last() {
        let arrays = [array("images.npy", &[90, 28, 28, 3], true, false), array("labels.npy", &[90], true, false)];
        let text = manifest("mine", "d", "mine.toml", &arrays).unwrap();
        assert!(text.contains("kind = \"point\"") && text.contains("channels_last = true"), "{text}");
    }

    #[test]
    fn what_cannot_be_told_is_listed() {
        let nothing = manifest("mine", "d", "mine.toml", &[]).unwrap_err();
        assert!(nothing.contains("no .npy") && nothing.contains("x.npy, y.npy"), "{nothing}");
        let alone = manifest("mine", "d", "mine.toml", &[array("x.npy", &[3, 4], true, true)]).unwrap_err();
        assert!(alone.contains("`x.npy` has no partner"), "{alone}");
        let two = [array("x.npy", &[3, 4], true, true), array("x2.npy", &[3, 4], true, true)];
        assert!(manifest("mine", "d", "mine.toml", &two).unwrap_err().contains("both"));
        let odd = [array("x.npy", &[3, 4], false, false), array("y.npy", &[3], false, false)];
        assert!(manifest("mine", "d", "mine.toml", &odd).unwrap_err().contains("neither classes"));
    }
}
