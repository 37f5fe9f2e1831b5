//! `init`: a manifest for a folder of arrays. Writes one new file and nothing else.

use crate::cli::catalog::Catalog;
use crate::cli::exit::{DONE, Exit, Outcome};
use crate::cli::options::InitOptions;
use crate::manifest::starter::manifest;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

pub fn init(options: &InitOptions) -> Outcome {
    let name = match &options.name {
        Some(name) => name.clone(),
        None => name_of(&options.data).map_err(Exit::usage)?,
    };
    let output = options.output.clone().unwrap_or_else(|| PathBuf::from(format!("{name}.toml")));
    let arrays = (Catalog::collect().look)(&options.data).map_err(Exit::usage)?;
    // paths in a manifest are meant from where it lies
    let dir =
        std::path::absolute(&options.data).map_err(|e| Exit::usage(format!("{}: {e}", options.data.display())))?;
    let dir = match output.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => dir,
        _ if options.data.is_relative() => options.data.clone(),
        _ => dir,
    };
    let text = manifest(&name, &dir.display().to_string(), &output.display().to_string(), &arrays)
        .map_err(|e| Exit::usage(format!("{}: {e}", options.data.display())))?;
    let mut file = File::create_new(&output).map_err(|e| {
        let help = if e.kind() == ErrorKind::AlreadyExists { "; name another with --output" } else { "" };
        Exit::usage(format!("{}: {e}{help}", output.display()))
    })?;
    file.write_all(text.as_bytes()).map_err(|e| Exit::failed(format!("{}: {e}", output.display())))?;
    print!("{text}");
    println!("\nwritten to {}; read what it assumed, then: nasperf-pipe {}", output.display(), output.display());
    Ok(DONE)
}

/// A task's name from the folder's.
fn name_of(folder: &Path) -> Result<String, String> {
    let folder = std::fs::canonicalize(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let name = folder.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let plain = |c: char| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' };
    let name: String = name.chars().map(plain).collect();
    let name = name.trim_matches('-').to_string();
    if name.is_empty() { Err("name the task with --name".to_string()) } else { Ok(name) }
}
