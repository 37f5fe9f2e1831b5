//! A manifest file to the manifest as meant, or all its errors at once. Knows no stage and runs nothing.

use crate::digest::Digest;
use crate::manifest::diagnostic::{Diagnostic, Diagnostics, Source};
use crate::manifest::document;
use crate::manifest::document::{Datum, Table};
use crate::manifest::expand::{Expanded, Place, Seeds, cells, expand};
use crate::manifest::flatten::Flattener;
use crate::manifest::grid::{Grid, Reader};
use crate::manifest::layer::{Layer, absolute};
use crate::manifest::overrides;
use crate::manifest::overrides::Override;
use crate::manifest::profile;
use crate::manifest::profile::Profile;
use crate::manifest::request;
use crate::manifest::request::Request;
use crate::manifest::resolve::{Layers, Manifest, Scoped, Settings};
use crate::manifest::run::Run;
use crate::manifest::suggest;
use crate::manifest::task;
use crate::manifest::vocabulary::{Definition, Switch, Vocabulary};
use crate::manifest::words::Words;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// The data lock stands beside the manifest, so that it is committed with it.
const LOCK_SETTING: &str = "data.lock";
const LOCK_FILE: &str = "data.lock.toml";

/// No manifest written by people comes near; what is larger is another file (and would be read whole).
const LARGEST: u64 = 16 << 20;

/// Reads and resolves the manifest at `path`. Errors: all that are wrong with file, text and names.
pub fn load(path: &Path, vocabulary: &Vocabulary, request: &Request) -> Result<Manifest, Diagnostics> {
    let origin = path.display().to_string();
    let text = read(path, &origin).map_err(|one| Diagnostics(vec![*one]))?;
    let base = path.parent().unwrap_or(Path::new(""));
    let mut manifest = parse(&origin, &text, base, vocabulary, request)?;
    manifest.path = path.to_path_buf();
    Ok(manifest)
}

fn read(path: &Path, origin: &str) -> Result<String, Box<Diagnostic>> {
    let nothing = Source::new(origin, "");
    let fail = |message: String| Box::new(Diagnostic::of(&nothing, message));
    let metadata = fs::metadata(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            let mut one = fail("there is no such manifest".to_string());
            one.help = neighbours(path);
            one
        }
        _ => fail(format!("the manifest cannot be read: {error}")),
    })?;
    if metadata.is_dir() {
        let mut one = fail("this is a folder, expected a manifest (a TOML file)".to_string());
        one.help = neighbours(&path.join("x"));
        return Err(one);
    }
    if metadata.len() > LARGEST {
        let mut one = fail(format!("{} bytes are too many for a manifest", metadata.len()));
        one.help = vec![format!("expected a TOML file of at most {LARGEST} bytes; is this a data file?")];
        return Err(one);
    }
    let bytes = fs::read(path).map_err(|error| fail(format!("the manifest cannot be read: {error}")))?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let bytes = error.as_bytes();
        // The rest is shown with the replacement character; the places before it are unchanged.
        let source = Source::new(origin, String::from_utf8_lossy(bytes));
        let message = format!("byte 0x{:02x} at offset {at} is not UTF-8", bytes[at]);
        Box::new(Diagnostic::at(&source, at..at + '\u{fffd}'.len_utf8(), message).help("save the file as UTF-8 text"))
    })
}

/// The manifests beside a path that does not exist, nearest first.
fn neighbours(path: &Path) -> Vec<String> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut names: Vec<String> = match fs::read_dir(folder) {
        Ok(entries) => entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| name.ends_with(".toml"))
            .collect(),
        Err(_) => return vec![format!("there is no folder `{}` either", folder.display())],
    };
    names.sort();
    let known: Vec<&str> = names.iter().map(String::as_str).collect();
    let word = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    suggest::remedies(word, &known, &format!("TOML files in `{}`", folder.display()))
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
    let written = written(&words, &source, &table, &mut found);
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
    let definitions = definitions(&words, &vocabulary.definitions, &mut found);

    let run = written.run.clone().under(&profile.run).under(&request_run);
    let replaced = request_run.seeds.as_ref().or(profile.run.seeds.as_ref());
    let fidelity = run.fidelity.unwrap_or_else(|| "as-run".to_string());
    let overrides: Vec<Override> = written.layer.overrides.clone();
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
    let Expanded { cells: mut places, mut notes, .. } = match replaced {
        Some(seeds) => expand(&words, &source, &written.grids, &Seeds::Replaced(seeds)),
        None => Expanded { errors: Vec::new(), cells: as_written.cells.clone(), notes: as_written.notes.clone() },
    };
    let grids_are_right = found.is_empty() && as_written.errors.is_empty();
    found.extend(as_written.errors);
    if grids_are_right {
        // Counted only on right grids: otherwise each rule would be blamed for what a grid lost.
        let mut rules = hits(&source, &overrides, &places, &as_written.cells);
        let of_profile = hits(&source, &profile.layer.overrides, &places, &as_written.cells);
        rules.extend(of_profile);
        for (note, error) in rules {
            notes.push(note);
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
    })
}

/// The manifest's own text, without its request.
struct Written {
    run: Run,
    layer: Layer,
    own_tasks: Layer,
    profiles: BTreeMap<String, Profile>,
    grids: Vec<Grid>,
    has_grid: bool,
}

fn written(words: &Words<'_>, source: &Arc<Source>, table: &Table, found: &mut Vec<Diagnostic>) -> Written {
    let mut run = Run::default();
    let (mut list, mut own_tasks, mut profiles, mut grids) =
        (Vec::new(), Layer::default(), BTreeMap::new(), Vec::new());
    let mut flattener = Flattener::new(words, source, Some(&mut run), found);
    for entry in &table.0 {
        match entry.key.as_str() {
            "grid" => grids = Reader { words, source, found: flattener.found }.grids(&entry.node),
            "override" => list = overrides::parse(words, source, &entry.node, flattener.found),
            "profile" => profiles = profile::parse(words, source, entry, flattener.found),
            "task" => own_tasks = task::settings(words, source, entry, flattener.found),
            _ => flattener.entry("", entry, None),
        }
    }
    let layer = Layer::of_tables(flattener.out, list);
    // `grid = []` is no grid.
    let has_grid =
        table.get("grid").is_some_and(|entry| !matches!(&entry.node.datum, Datum::List(list) if list.is_empty()));
    Written { run, layer, own_tasks, profiles, grids, has_grid }
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

/// Built-in definitions: those of tasks first, then those of methods.
fn definitions(words: &Words<'_>, definitions: &[Definition], found: &mut Vec<Diagnostic>) -> Vec<Scoped> {
    let mut out: Vec<Scoped> = definitions.iter().filter_map(|one| definition(words, one, found)).collect();
    out.sort_by_key(|scoped| scoped.method.is_some());
    out
}

fn definition(words: &Words<'_>, definition: &Definition, found: &mut Vec<Diagnostic>) -> Option<Scoped> {
    let source = Source::new(definition.origin.as_str(), definition.text.as_str());
    let table = match document::parse(&source) {
        Ok(table) => table,
        Err(errors) => {
            found.extend(errors);
            return None;
        }
    };
    let (mut task, mut method, mut list) = (None, None, Vec::new());
    let mut flattener = Flattener::new(words, &source, None, found);
    for entry in &table.0 {
        let key = entry.key.as_str();
        match (key, &entry.node.datum) {
            ("about", _) => {}
            ("task" | "method", Datum::Text(name)) => {
                let (known, item) = match key {
                    "task" => (words.task_names().iter().map(|name| name.to_string()).collect(), words.task(name)),
                    _ => (words.method_names(), words.method(name)),
                };
                if item.is_none() {
                    let known: Vec<&str> = known.iter().map(String::as_str).collect();
                    let message = format!("unknown {key} `{name}`");
                    let mut one = Diagnostic::at(&source, entry.node.span.clone(), message);
                    one.help = suggest::remedies(name, &known, if key == "task" { "tasks" } else { "methods" });
                    flattener.found.push(one);
                }
                *(if key == "task" { &mut task } else { &mut method }) = item;
            }
            ("set", Datum::Table(table)) => flattener.table(table),
            ("override", _) => list.extend(overrides::parse(words, &source, &entry.node, flattener.found)),
            ("task" | "method" | "set", other) => {
                let wanted = if key == "set" { "a table" } else { "a name in quotes" };
                flattener.found.push(
                    Diagnostic::at(&source, entry.node.span.clone(), format!("`{key}` has the wrong type"))
                        .label(format!("expected {wanted}, found {}", other.what())),
                );
            }
            _ => flattener.entry("", entry, None),
        }
    }
    let set = flattener.out;
    match (table.get("task"), table.get("method")) {
        (Some(_), Some(entry)) => found.push(
            Diagnostic::at(&source, entry.key_span.clone(), "a definition is of a task or of a method, not of both")
                .help("remove one, and use `[[override]]` with `match` for the other"),
        ),
        (None, None) => found.push(
            Diagnostic::of(&source, "the definition says neither `task` nor `method`")
                .help("begin it with `task = \"…\"` or `method = \"…\"`"),
        ),
        _ => {}
    }
    Some(Scoped { task, method, layer: Layer::of_tables(set, list) })
}

/// How many cells each override takes; an error where it takes none, under these seeds or as the manifest is written.
fn hits(
    manifest: &Arc<Source>,
    overrides: &[Override],
    places: &[Place],
    as_written: &[Place],
) -> Vec<(String, Option<Diagnostic>)> {
    let count = |rule: &Override, places: &[Place]| -> usize {
        places
            .chunk_by(|one, other| (one.task, one.method) == (other.task, other.method))
            .filter(|run| rule.selector.pair(run[0].task, run[0].method))
            .map(|run| run.iter().filter(|place| rule.selector.seed(place.seed)).count())
            .sum()
    };
    overrides
        .iter()
        .map(|rule| {
            let hits = count(rule, places);
            let note = format!("{}: {}", rule.place(manifest), cells(hits));
            let error = (hits == 0 && count(rule, as_written) == 0).then(|| {
                Diagnostic::at(&rule.source, rule.selector.span.clone(), "this override matches no cell")
                    .help("remove it, or correct its names; the grids decide which cells there are")
            });
            (note, error)
        })
        .collect()
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
