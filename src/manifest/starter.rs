//! Writes a manifest for a folder of arrays: finds inputs and targets by their names and shapes, says what it assumed.
//! Knows no file's format.

use crate::manifest::guess::{Candidate, guess, same_rows};
use std::fmt::Write;

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
        let line = |array: &Candidate| match &array.values {
            Ok(_) => format!("  {} {:?}", array.place, array.shape),
            Err(problem) => format!("  {problem}"),
        };
        let lines: Vec<String> = arrays.iter().map(line).collect();
        if lines.is_empty() {
            "  no .npy, .npz or .safetensors file; np.savez(\"data.npz\", x=x, y=y) writes one".to_string()
        } else {
            lines.join("\n")
        }
    };
    let hint =
        "call inputs `x` and targets `y` (x.npy, y.npy; x_train.npy, y_test.npy; or arrays of these names in an npz)";
    let Some((x, y)) = pair(Split::Train).map_err(|e| format!("{e}\nfound:\n{}\n{hint}", listed()))? else {
        return Err(format!("no inputs and targets to train on\nfound:\n{}\n{hint}", listed()));
    };
    let guess = guess(x, y)?;
    let more = |split: Split, word: &str| -> Result<String, String> {
        let Some((x, y)) = pair(split)? else { return Ok(String::new()) };
        [x, y].into_iter().try_for_each(|array| array.values.as_ref().map(drop).map_err(Clone::clone))?;
        same_rows(x, y)?;
        Ok(format!("{word}_x = \"{}\"\n{word}_y = \"{}\"\n", x.place, y.place))
    };
    let (validation, test) = (more(Split::Validation, "validation")?, more(Split::Test, "test")?);
    let batch = (x.shape[0] / 8).clamp(1, 32);
    let mut text = String::new();
    let shapes = format!("{} {:?} with {} {:?}", x.place, x.shape, y.place, y.shape);
    let notes: String = guess.notes.iter().map(|note| format!("# Note:     {note}\n")).collect();
    let _ = write!(
        text,
        "# Purpose:  a task of your own: {shapes}, taken as {}D {}.\n\
         # Command:  nasperf-pipe {own_name}\n\
         # Duration: minutes; the network is small. Without [network] it has its published size.\n\
         # Result:   report/{name}/: the test score beside the trivial predictor's, three seeds.\n{notes}\n\
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
        "\n[[grid]]\ntask = [\"{name}\"]\nmethod = [\"{}\"]\n\n[network]\nwidth = 4\n\n\
         [retrain]\nepochs = 30\nbatch = {batch}\n{rate}",
        guess.method
    );
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::manifest;
    use crate::manifest::guess::{Candidate, Values};

    fn array(place: &str, shape: &[usize], whole: bool, binary: bool) -> Candidate {
        let values = Values { whole, binary, finite: true, one_hot: binary && shape.len() == 2, all: None };
        Candidate { place: place.to_string(), shape: shape.to_vec(), values: Ok(values) }
    }

    #[test]
    fn series_with_labels() {
        let arrays = [array("d.npz:x", &[500, 3, 200], false, false), array("d.npz:y", &[500, 5], true, true)];
        let text = manifest("mine", "d", "mine.toml", &arrays).unwrap();
        for part in ["dimension = 1", "kind = \"multi-label\"", "x = \"d.npz:x\"", "test_share = 0.2", "batch = 32"] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert!(!text.contains("channels_last"));
        assert!(text.contains("# Note:     each row of d.npz:y has exactly one 1."), "{text}");
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
        let texts = Candidate { values: Err("y.npy: found texts".into()), ..array("y.npy", &[3], false, false) };
        let one = array("x.npy", &[3, 4], true, true);
        assert_eq!(
            manifest("mine", "d", "mine.toml", &[one.clone(), texts.clone()]).unwrap_err(),
            "y.npy: found texts"
        );
        assert!(manifest("mine", "d", "mine.toml", &[texts]).unwrap_err().contains("found:\n  y.npy: found texts"));
        let test = [("x_test.npy", 5), ("y_test.npy", 4)].map(|(place, rows)| array(place, &[rows, 1], true, false));
        let all = [&[one, array("y.npy", &[3], true, false)][..], &test].concat();
        assert!(manifest("mine", "d", "mine.toml", &all).unwrap_err().contains("`y_test.npy`: expected 5 rows"));
    }
}
