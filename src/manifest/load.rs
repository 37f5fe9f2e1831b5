//! A manifest file to the manifest as meant, or all its errors at once. Knows no stage and runs nothing.

use crate::digest::Digest;
use crate::manifest::definition;
use crate::manifest::diagnostic::{Diagnostic, Diagnostics, Source};
use crate::manifest::document;
use crate::manifest::expand::{Expanded, Place, Seeds, expand};
use crate::manifest::file;
use crate::manifest::layer::{Layer, absolute};
use crate::manifest::overrides;
use crate::manifest::profile::Profile;
use crate::manifest::request;
use crate::manifest::request::Request;
use crate::manifest::resolve::{Layers, Manifest, Settings};
use crate::manifest::suggest;
use crate::manifest::task;
use crate::manifest::vocabulary::{Switch, Vocabulary};
use crate::manifest::words::Words;
use crate::manifest::written;
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;

/// The data lock stands beside the manifest, so that it is committed with it.
const LOCK_SETTING: &str = "data.lock";
const LOCK_FILE: &str = "data.lock.toml";

/// Reads and resolves the manifest at `path`. Errors: all that are wrong with file, text and names.
pub fn load(path: &Path, vocabulary: &Vocabulary, request: &Request) -> Result<Manifest, Diagnostics> {
    let origin = path.display().to_string();
    let text = file::read(path, &origin).map_err(|one| Diagnostics(vec![*one]))?;
    let base = path.parent().unwrap_or(Path::new(""));
    let mut manifest = parse(&origin, &text, base, vocabulary, request)?;
    manifest.path = path.to_path_buf();
    Ok(manifest)
}

/// Resolves a manifest's text. `origin` names it in messages; relative paths in settings are meant from `base`.
pub fn parse(
    origin: &str,
    text: &str,
    base: &Path,
    vocabulary: &Vocabulary,
    request: &Request,
) -> Result<Manifest, Diagnostics> {
    let source = Source::new(origin, text);
    let mut found = Vec::new();
    let table = document::parse(&source).map_err(Diagnostics)?;
    let mut words = Words::new(vocabulary);
    if let Some(entry) = table.get("task") {
        task::declare(&mut words, &source, entry, &mut found);
    }
    let words = words;
    let written = written::read(&words, &source, &table, &mut found);
    let profile = match &request.profile {
        None => Profile::default(),
        Some(name) => written.profiles.get(name).cloned().unwrap_or_else(|| {
            let known: Vec<&str> = written.profiles.keys().map(String::as_str).collect();
            let mut one = Diagnostic::of(&source, format!("the manifest has no profile `{name}`"));
            one.help = suggest::remedies(name, &known, "profiles");
            found.push(one);
            Profile::default()
        }),
    };
    let (request_run, request_layer) = request::parse(&words, &request.set, &mut found);
    let definitions = definition::read(&words, &vocabulary.definitions, &mut found);

    let run = written.run.clone().under(&profile.run).under(&request_run);
    let replaced = request_run.seeds.as_ref().or(profile.run.seeds.as_ref());
    let fidelity = run.fidelity.unwrap_or_else(|| "as-run".to_string());
    let list = written.layer.overrides.clone();
    let mut layers = Layers { base: switches(&words, &fidelity), definitions, rest: Vec::new() };
    if words.rule(LOCK_SETTING).is_some() {
        layers.base.insert(LOCK_SETTING.to_string(), Value::from(absolute(&base.join(LOCK_FILE))));
    }
    let rooted = |layer: Layer| layer.rooted(&words, base);
    layers.rest = vec![rooted(written.own_tasks), rooted(written.layer), rooted(profile.layer.clone())];
    // What is typed at a prompt is meant from where the prompt stands.
    layers.rest.push(request_layer.rooted(&words, Path::new("")));
    let settings = layers.of_no_cell();

    let default = written.run.seeds.unwrap_or_else(|| vec![0]);
    let as_written = expand(&words, &source, &written.grids, &Seeds::Written(&default));
    let mut counts = Vec::new();
    let Expanded { cells: mut places, notes, .. } = match replaced {
        Some(seeds) => expand(&words, &source, &written.grids, &Seeds::Replaced(seeds)),
        None => Expanded { cells: as_written.cells.clone(), notes: as_written.notes.clone(), ..Expanded::default() },
    };
    found.extend(as_written.errors);
    if written.grids_are_right && !as_written.impossible {
        // Counted only on right grids: otherwise each rule would be blamed for what a grid lost.
        let mut rules = overrides::hits(&source, &list, &places, &as_written.cells);
        let of_profile = overrides::hits(&source, &profile.layer.overrides, &places, &as_written.cells);
        rules.extend(of_profile);
        for (note, error) in rules {
            counts.push(note);
            found.extend(error);
        }
        let published = settings.contains_key("aggregate.scores");
        if places.is_empty() && !written.has_grid && !published {
            found.push(
                Diagnostic::of(&source, "the manifest has no `[[grid]]`: nothing would run")
                    .help("add `[[grid]]` with `task = [\"…\"]` and `method = [\"…\"]`")
                    .help("a manifest without a grid is one for published scores: set `aggregate.scores`"),
            );
        } else if places.is_empty() && written.has_grid && replaced.is_some() {
            found.push(
                Diagnostic::of(&source, "no cell is left under the seeds of the profile or `--set`")
                    .help("the grids exclude every one of these seeds; choose others"),
            );
        }
    }
    if !found.is_empty() {
        // In the order of the text; definitions and the command line after it.
        found.sort_by_key(|one| match Arc::ptr_eq(&one.source, &source) {
            true => (0, one.span.as_ref().map_or(0, |span| span.start)),
            false => (1, 0),
        });
        return Err(Diagnostics(found));
    }
    sort_by_name(&words, &mut places);
    let stem = Path::new(origin).file_stem().and_then(|stem| stem.to_str()).unwrap_or("run");
    Ok(Manifest {
        name: run.name.unwrap_or_else(|| stem.to_string()),
        path: Path::new(origin).to_path_buf(),
        base: base.to_path_buf(),
        digest: Digest::of(text),
        cells: layers.cells(&words, &places),
        settings: Arc::new(settings),
        profile: request.profile.clone(),
        fidelity,
        executor: run.executor.unwrap_or_else(|| "local".to_string()),
        own_tasks: words.tasks[words.built_in..].to_vec(),
        notes,
        overrides: counts,
    })
}

/// The default of every switch, and `run.fidelity` itself for those who report it.
fn switches(words: &Words<'_>, fidelity: &str) -> Settings {
    let side = |switch: &Switch| match fidelity {
        "as-described" => switch.as_described.clone(),
        _ => switch.as_run.clone(),
    };
    let mut base: Settings = words.switches.iter().map(|switch| (switch.key.to_string(), side(switch))).collect();
    base.insert("run.fidelity".to_string(), Value::from(fidelity));
    base
}

fn sort_by_name(words: &Words<'_>, places: &mut [Place]) {
    let rank = |mut names: Vec<(String, usize)>| -> Vec<usize> {
        names.sort();
        let mut rank = vec![0; names.len()];
        for (at, (_, item)) in names.into_iter().enumerate() {
            rank[item] = at;
        }
        rank
    };
    let tasks = rank(words.tasks.iter().enumerate().map(|(i, task)| (task.name.clone(), i)).collect());
    // A control character sorts before all that a name may hold, as the pair (space, algorithm) does.
    let method = |i: usize| format!("{}\0{}", words.methods[i].space, words.methods[i].algorithm);
    let methods = rank((0..words.methods.len()).map(|i| (method(i), i)).collect());
    places.sort_unstable_by_key(|place| (tasks[place.task], methods[place.method], place.seed));
}
