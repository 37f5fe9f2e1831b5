//! Planted, the control of searches: its data, its place beside the benchmark, and a manifest's claims on picks and pairs.

use crate::data_context::DataContext;
use crate::support::lab::Lab;
use nasperf_pipe::artifacts::dataset::{DatasetMeta, Target, decode};
use nasperf_pipe::data::counts::Counts;
use nasperf_pipe::tasks::contract::generator::Generator;
use nasperf_pipe::tasks::contract::preparation::Preparation;
use nasperf_pipe::tasks::planted::distance::DISTANCE;
use nasperf_pipe::tasks::planted::generator::PlantedGenerator;
use nasperf_pipe::tasks::planted::preparation::PlantedPreparation;

const CHANNELS: usize = 2;
const LENGTH: usize = 12;

fn counts(length: usize) -> Counts {
    let length = length as u64;
    Counts::of(&[("channels", CHANNELS as u64), ("length", length), ("train", 5), ("validation", 2), ("test", 3)])
}

#[test]
fn the_answer_is_each_channel_four_positions_before_and_after() {
    let mut made = DataContext::new();
    PlantedGenerator.generate(&counts(LENGTH), None, &mut made).unwrap();
    let mut again = DataContext::new();
    PlantedGenerator.generate(&counts(LENGTH), None, &mut again).unwrap();
    assert_eq!(made.digests(), again.digests());
    let mut prepared = made.next_stage();
    PlantedPreparation.prepare(&counts(LENGTH), "embedded:tiny", &mut prepared).unwrap();
    assert_eq!(prepared.unfinished(), Vec::<String>::new(), "every input is read to its end");
    let meta: DatasetMeta = serde_json::from_slice(&prepared.output("dataset.json")).unwrap();
    assert_eq!((meta.shape.spatial, meta.shape.target), (vec![LENGTH], Target::Dense { channels: 2 * CHANNELS }));
    assert_eq!((meta.search.train.end, meta.search.score.end, meta.last.train.end), (5, 7, 7));
    for (part, rows) in [("train", 7), ("test", 3)] {
        let bytes = prepared.output(&format!("{part}.safetensors"));
        let [x, y] = ["x", "y"].map(|name| decode(&bytes, name).unwrap());
        assert_eq!((&x.shape[..], &y.shape[..]), (&[rows, 2, LENGTH][..], &[rows, 4, LENGTH][..]));
        let [x, y] = [x, y].map(|array| array.to_f32().unwrap());
        let mut compared = 0;
        for (row, channel, at) in (0..rows).flat_map(|r| (0..2).flat_map(move |c| (0..LENGTH).map(move |t| (r, c, t))))
        {
            let seen = &x[(row * CHANNELS + channel) * LENGTH..][..LENGTH];
            let before = y[(row * 2 * CHANNELS + channel) * LENGTH + at];
            let after = y[(row * 2 * CHANNELS + CHANNELS + channel) * LENGTH + at];
            if at >= DISTANCE {
                assert_eq!(before, seen[at - DISTANCE]);
                compared += 1;
            }
            if let Some(value) = seen.get(at + DISTANCE) {
                assert_eq!(after, *value);
                compared += 1;
            }
        }
        assert_eq!(compared, rows * CHANNELS * 2 * (LENGTH - DISTANCE));
        let square = x.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / x.len() as f64;
        assert!((0.5..1.6).contains(&square), "standard normal noise, found a mean square of {square}");
    }
    let mut other = made.next_stage();
    let error = PlantedPreparation.prepare(&counts(13), "files", &mut other).unwrap_err().to_string();
    assert!(error.contains("noise_train.npy: expected numbers of shape [7, 2, 21]"), "{error}");
    assert!(error.contains("found [7, 2, 20]") && error.contains("data.length"), "{error}");
    let none = Counts::of(&[("channels", 0), ("length", 1), ("train", 1), ("validation", 0), ("test", 1)]);
    let error = PlantedGenerator.generate(&none, None, &mut DataContext::new()).unwrap_err().to_string();
    assert!(error.contains("data.channels 0"), "{error}");
}

/// A search of a second on next to nothing; the claims follow.
const TINY: &str = r#"
[run]
name = "tiny"
seeds = [0, 1]

[[grid]]
task = "planted"
method = ["darts/gaea", "darts/random"]

[[grid]]
task = "planted"
method = "darts/gaea"
seeds = [200]

[data]
source = "embedded"
size = "tiny"

[network]
width = 4
reductions = false

[search]
cells = 1
epochs = 2
batch = 16

[retrain]
cells = 1
epochs = 1
batch = 16

[[override]]
match = { seed = 200 }
set = { "search.permute_labels" = true }

[aggregate]
baseline = "darts/random"
"#;

fn claims(least: u64) -> String {
    format!(
        "{TINY}\npicks = [{{ task = \"planted\", method = \"darts/gaea\", primitive = \"dil_conv_5x5\", least = {least}, seeds = 2, \
         control = [200] }}]\npairs = [{{ task = \"planted\", method = \"darts/gaea\", than = \"darts/random\" }}]\n"
    )
}

#[test]
fn claims_on_picks_and_pairs_are_judged_and_rerun_nothing_but_the_last_stage() {
    let lab = Lab::new(TINY);
    let said = lab.expect(0, &["m.toml"]);
    assert!(!said.out.contains("Picks") && !said.out.contains("Pairs"), "{}", said.out);
    // nine picks of eight: no search reaches them, so neither does the control
    lab.write("m.toml", &claims(9));
    let said = lab.expect(1, &["m.toml"]);
    assert!(said.err.contains("gates failed"), "{}", said.err);
    assert_eq!(lab.executed(), ["aggregate"]);
    for words in
        ["dil_conv_5x5 (normal)", "9 of 8", "0 of 2, at least 2", "FAILED", "darts/gaea control", "0 of 1, at most 0"]
    {
        assert!(said.out.contains(words), "{words}: {}", said.out);
    }
    assert!(said.out.contains("2 of 2") && said.out.contains("95 % interval"), "{}", said.out);
    let report = std::fs::read_to_string(lab.path("report/tiny/report.md")).unwrap();
    assert!(report.contains("## Picks") && report.contains("## Pairs"), "{report}");
    // the control enters no table: two seeds each
    assert!(report.contains("2/2") && !report.contains("3/3"), "{report}");
    let wrong = Lab::new(&claims(0)).expect(2, &["m.toml"]);
    assert!(wrong.err.contains("aggregate.picks") && wrong.err.contains("above 0"), "{}", wrong.err);
}

#[test]
fn a_control_task_is_named_and_never_matched() {
    let all = Lab::new(
        "[run]\nname = \"all\"\nseeds = [0]\n[[grid]]\ntask = \"*\"\nmethod = \"darts/gaea\"\n[data]\nsource = \"embedded\"\nsize = \"tiny\"\n",
    );
    let plan = all.expect(0, &["plan", "m.toml", "--all"]);
    assert!(plan.out.contains("task=darcy") && !plan.out.contains("planted"), "{}", plan.out);
    let one = Lab::new(TINY).expect(0, &["plan", "m.toml", "--all"]);
    assert!(one.out.contains("task=planted"), "{}", one.out);
}
