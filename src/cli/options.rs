//! Options as typed on the command line. Knows no verb's work.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// One manifest, one command: NAS-Bench-360 as a cached, resumable pipeline.
#[derive(Parser, Debug)]
#[command(
    name = "nasperf-pipe",
    version,
    after_help = "`nasperf-pipe MANIFEST` is short for `nasperf-pipe run MANIFEST`. Running the same command again resumes.\n\
Exit codes: 0 done, 1 some node failed, 2 manifest or usage error, 3 a selector matched nothing,\n\
4 a miss under --require-cached, 130/143 interrupted with state saved,\n\
141 whoever read the output went away."
)]
pub struct Cli {
    #[command(subcommand)]
    pub verb: Verb,
}

#[derive(Subcommand, Debug)]
pub enum Verb {
    /// Plan, run what is missing, write the report (the default verb)
    Run(RunOptions),
    /// Show what would run and why; runs nothing
    Plan(PlanOptions),
    /// Say exactly why a node runs or ran
    Why(NodeOptions),
    /// Show the state of the latest run, or of a named one
    Status(StatusOptions),
    /// Show the log of a node
    Logs(LogsOptions),
    /// List the scores that are in the store
    Results(ResultsOptions),
    /// Write tables, profiles and figures again from the store
    Report(ReportOptions),
    /// Print the DAG
    Graph(GraphOptions),
    /// Write curves for TensorBoard or architectures for Graphviz
    Export(ExportOptions),
    /// Check a manifest and stop
    Check(ManifestOptions),
    /// Print the JSON schema of manifests, for editors
    Schema,
    /// Describe this machine, this binary and the cache
    Doctor(DoctorOptions),
    /// Fetch the data of a manifest, nothing else
    Fetch(RunOptions),
    /// Look at a folder of arrays and write a manifest that trains on them
    Init(InitOptions),
    /// Draw a few samples of a task with their labels
    Preview(PreviewOptions),
    /// Pack the data of a manifest, and its results on demand, for a machine without a network
    Bundle(BundleOptions),
    /// Take a bundle into the cache
    Unbundle(UnbundleOptions),
    /// Free space in the cache
    Gc(GcOptions),
    /// Compare two runs
    Diff(DiffOptions),
    /// Print a completion script for a shell
    Completions { shell: clap_complete::Shell },
    /// Run one node of a plan (what the pool starts)
    #[command(hide = true)]
    ExecNode(ExecNodeOptions),
}

#[derive(Args, Debug, Clone)]
pub struct CacheOptions {
    /// Folder of the store
    #[arg(long, value_name = "DIR", env = "NASPERF_CACHE", default_value = "cache")]
    pub cache: PathBuf,
}

#[derive(Args, Debug, Clone)]
pub struct ManifestOptions {
    /// The manifest
    #[arg(value_name = "MANIFEST")]
    pub manifest: PathBuf,
    #[command(flatten)]
    pub layers: LayerOptions,
}

/// What lies over a manifest.
#[derive(Args, Debug, Clone, Default)]
pub struct LayerOptions {
    /// Set a value over the manifest, such as retrain.epochs=2 (repeatable)
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Apply [profile.NAME] of the manifest
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
}

#[derive(Args, Debug, Clone, Default)]
pub struct SelectOptions {
    /// Only these nodes and what they need, such as 'search[task=ecg,algo=gaea]' (repeatable)
    #[arg(long, value_name = "SELECTOR")]
    pub only: Vec<String>,
    /// Only these nodes and what depends on them
    #[arg(long, value_name = "SELECTOR")]
    pub from: Vec<String>,
    /// Only up to these nodes
    #[arg(long, value_name = "SELECTOR")]
    pub until: Vec<String>,
    /// Run these nodes although they are cached
    #[arg(long, value_name = "SELECTOR")]
    pub rerun: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Text,
    Json,
    Csv,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Device {
    Cpu,
}

#[derive(Args, Debug, Clone)]
pub struct RunOptions {
    #[command(flatten)]
    pub manifest: ManifestOptions,
    #[command(flatten)]
    pub select: SelectOptions,
    #[command(flatten)]
    pub cache: CacheOptions,
    /// CPU threads that nodes may use together [default: all]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub jobs: Option<u32>,
    /// Where networks run
    #[arg(long, value_enum, default_value = "cpu")]
    pub device: Device,
    /// A node that is not cached is an error (exit code 4); nothing runs
    #[arg(long)]
    pub require_cached: bool,
    /// Stop everything at the first failure
    #[arg(long)]
    pub fail_fast: bool,
    /// Start nothing more after N failures
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_fail: Option<u32>,
    /// Never use the network
    #[arg(long)]
    pub offline: bool,
    /// json: one event per line on standard error, the report as JSON on standard output
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
    /// Folder of the report [default: report/NAME]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// How often a running node saves its state, such as 30s or 5m; 0s: after every step
    #[arg(long, value_name = "TIME", default_value = "5m")]
    pub save_every: String,
}

impl RunOptions {
    /// All defaults.
    pub fn of(manifest: ManifestOptions, cache: CacheOptions) -> RunOptions {
        RunOptions {
            manifest,
            select: SelectOptions::default(),
            cache,
            jobs: None,
            device: Device::Cpu,
            require_cached: false,
            fail_fast: false,
            max_fail: None,
            offline: false,
            format: Format::Text,
            out: None,
            save_every: "5m".to_string(),
        }
    }
}

#[derive(Args, Debug, Clone)]
pub struct PlanOptions {
    #[command(flatten)]
    pub manifest: ManifestOptions,
    #[command(flatten)]
    pub select: SelectOptions,
    #[command(flatten)]
    pub cache: CacheOptions,
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
    /// Show the causes of every node, not only of the first ones
    #[arg(long)]
    pub all: bool,
}

#[derive(Args, Debug, Clone)]
pub struct NodeOptions {
    /// The node, such as 'retrain[task=darcy,method=wrn/default,seed=0]'; a selector may match several
    #[arg(value_name = "NODE")]
    pub node: String,
    /// The manifest [default: that of the latest run]
    #[arg(short, long, value_name = "FILE")]
    pub manifest: Option<PathBuf>,
    #[command(flatten)]
    pub layers: LayerOptions,
    #[command(flatten)]
    pub cache: CacheOptions,
}

#[derive(Args, Debug, Clone)]
pub struct StatusOptions {
    /// The run, such as first-3 [default: the latest]
    #[arg(value_name = "RUN")]
    pub run: Option<String>,
    #[command(flatten)]
    pub cache: CacheOptions,
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
}

#[derive(Args, Debug, Clone)]
pub struct LogsOptions {
    /// The node, such as 'retrain[task=darcy,method=wrn/default,seed=0]'; of a selector that matches several, they are listed
    #[arg(value_name = "NODE")]
    pub node: String,
    /// The run to look in first [default: the latest that ran the node]
    #[arg(long, value_name = "RUN")]
    pub run: Option<String>,
    #[command(flatten)]
    pub cache: CacheOptions,
}

#[derive(Args, Debug, Clone)]
pub struct ResultsOptions {
    /// The manifest [default: that of the latest run]
    #[arg(value_name = "MANIFEST")]
    pub manifest: Option<PathBuf>,
    #[command(flatten)]
    pub layers: LayerOptions,
    #[command(flatten)]
    pub cache: CacheOptions,
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
}

#[derive(Args, Debug, Clone)]
pub struct ReportOptions {
    #[command(flatten)]
    pub manifest: ManifestOptions,
    #[command(flatten)]
    pub cache: CacheOptions,
    /// Folder of the report [default: report/NAME]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum GraphFormat {
    Dot,
    Mermaid,
    Json,
}

#[derive(Args, Debug, Clone)]
pub struct GraphOptions {
    #[command(flatten)]
    pub manifest: ManifestOptions,
    #[command(flatten)]
    pub select: SelectOptions,
    #[command(flatten)]
    pub cache: CacheOptions,
    #[arg(long, value_enum, default_value = "dot")]
    pub format: GraphFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// Event files of searches and trainings
    Tensorboard,
    /// Found architectures for Graphviz
    Dot,
}

#[derive(Args, Debug, Clone)]
pub struct ExportOptions {
    #[command(flatten)]
    pub manifest: ManifestOptions,
    #[command(flatten)]
    pub select: SelectOptions,
    #[command(flatten)]
    pub cache: CacheOptions,
    #[arg(long, value_enum)]
    pub format: ExportFormat,
    /// Folder to write into
    #[arg(long, value_name = "DIR", default_value = "export")]
    pub out: PathBuf,
}

#[derive(Args, Debug, Clone)]
pub struct DoctorOptions {
    /// Also compare the data of this manifest with its lock file
    #[arg(long, value_name = "MANIFEST")]
    pub data: Option<PathBuf>,
    #[command(flatten)]
    pub cache: CacheOptions,
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
}

#[derive(Args, Debug, Clone)]
pub struct InitOptions {
    /// Folder with .npy, .npz or .safetensors files
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// Name of the task [default: the folder's]
    #[arg(long)]
    pub name: Option<String>,
    /// The manifest to write [default: NAME.toml]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

#[derive(Args, Debug, Clone)]
pub struct PreviewOptions {
    /// The task
    #[arg(value_name = "TASK")]
    pub task: String,
    /// The manifest whose data are drawn [default: tiny embedded data]
    #[arg(short, long, value_name = "FILE")]
    pub manifest: Option<PathBuf>,
    #[command(flatten)]
    pub layers: LayerOptions,
    #[command(flatten)]
    pub cache: CacheOptions,
    /// How many samples
    #[arg(short = 'n', long, value_name = "N", default_value_t = 8)]
    pub count: usize,
    /// The figure [default: TASK.svg]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

#[derive(Args, Debug, Clone)]
pub struct BundleOptions {
    #[command(flatten)]
    pub manifest: ManifestOptions,
    #[command(flatten)]
    pub cache: CacheOptions,
    /// The file to write, such as data.tar.zst
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// Also what was searched, trained and scored
    #[arg(long)]
    pub results: bool,
}

#[derive(Args, Debug, Clone)]
pub struct UnbundleOptions {
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    #[command(flatten)]
    pub cache: CacheOptions,
}

#[derive(Args, Debug, Clone)]
pub struct GcOptions {
    #[command(flatten)]
    pub cache: CacheOptions,
    /// Only say what would go
    #[arg(long)]
    pub dry_run: bool,
    /// Empty the store
    #[arg(long)]
    pub all: bool,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
    /// Results that no node of these manifests names go too (repeatable)
    #[arg(long, value_name = "MANIFEST")]
    pub keep: Vec<PathBuf>,
    /// Results older than this go too, such as 30d
    #[arg(long, value_name = "TIME")]
    pub older_than: Option<String>,
}

#[derive(Args, Debug, Clone)]
pub struct DiffOptions {
    pub old: String,
    pub new: String,
    #[command(flatten)]
    pub cache: CacheOptions,
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
}

#[derive(Args, Debug, Clone)]
pub struct ExecNodeOptions {
    /// File with the node's specification; `-` for standard input
    pub spec: PathBuf,
    #[command(flatten)]
    pub cache: CacheOptions,
}
