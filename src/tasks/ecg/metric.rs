//! Macro-F1 of ECG over recordings: each takes the class that most of its windows get (task specification §10.5).
//! Beside it stands always naming the class that most training recordings have.

use crate::artifacts::dataset::Target;
use crate::artifacts::samples::Samples;
use crate::artifacts::score::{Direction, Trivial};
use crate::metrics::f1::f1;
use crate::metrics::top1::{majority, predicted};
use crate::tasks::contract::metric::{Measure, Metric, MetricError, MetricParams};
use crate::tasks::ecg::scored::{SEEN, rows, windows};
use candle_core::Tensor;
use std::collections::BTreeMap;

/// The 2017 challenge averages over the classes N, A and O only.
const CHALLENGE: usize = 3;

/// A recording with scored windows.
struct Recording {
    label: u32,
    /// Class and votes, in the order in which the classes were met.
    votes: Vec<(u32, u32)>,
}

struct Vote {
    classes: usize,
    names: Vec<String>,
    recordings: Vec<Recording>,
    /// Place in `recordings` of each scored window.
    windows: Vec<usize>,
    /// Windows answered so far, and how many of these rightly.
    answered: usize,
    right: u64,
    majority: u32,
    /// Scored recordings that the search split's validation holds too, where it is known.
    seen: Option<usize>,
}

/// Opens the scored windows.
pub fn open<'a>(samples: &'a Samples, params: &MetricParams) -> Result<Box<dyn Metric + 'a>, String> {
    let Target::Point { classes } = samples.meta.shape.target else {
        return Err(format!("ecg: a target of classes was expected, found {:?}", samples.meta.shape.target));
    };
    let split = samples.split(params.split);
    let (recordings, labels) = windows(samples, &split.train)?;
    let majority = majority(&each(&recordings, &labels)?).ok_or("ecg: no training windows")?;
    let (numbers, labels) = windows(samples, &split.score)?;
    let seen = samples.part(&split.score)?.more.get(SEEN).map(|seen| seen.to_u32()).transpose()?;
    let mut places: BTreeMap<u32, usize> = BTreeMap::new();
    let mut vote = Vote {
        classes,
        names: samples.meta.class_names.clone(),
        recordings: Vec::new(),
        windows: Vec::new(),
        answered: 0,
        right: 0,
        majority,
        seen: seen.is_some().then_some(0),
    };
    for row in rows(samples, params.split, params.unseen_only)? {
        let (number, label) = (numbers[row - split.score.start], labels[row - split.score.start]);
        let place = *places.entry(number).or_insert_with(|| {
            let known = seen.as_ref().and_then(|seen| seen.get(number as usize));
            vote.seen = vote.seen.map(|count| count + usize::from(known == Some(&1)));
            vote.recordings.push(Recording { label, votes: Vec::new() });
            vote.recordings.len() - 1
        });
        if vote.recordings[place].label != label {
            return Err(format!("ecg: one label was expected in recording {number}, found two"));
        }
        vote.windows.push(place);
    }
    Ok(Box::new(vote))
}

/// The label of each recording; its windows are neighbours.
fn each(recordings: &[u32], labels: &[u32]) -> Result<Vec<u32>, String> {
    let mut found: BTreeMap<u32, u32> = BTreeMap::new();
    for (recording, label) in recordings.iter().zip(labels) {
        if *found.entry(*recording).or_insert(*label) != *label {
            return Err(format!("ecg: one label was expected in recording {recording}, found two"));
        }
    }
    Ok(found.into_values().collect())
}

impl Recording {
    fn vote(&mut self, class: u32) {
        match self.votes.iter_mut().find(|(voted, _)| *voted == class) {
            Some((_, votes)) => *votes += 1,
            None => self.votes.push((class, 1)),
        }
    }

    /// The class with most votes; of equals the one met first.
    fn winner(&self) -> Option<u32> {
        let mut best: Option<(u32, u32)> = None;
        for (class, votes) in &self.votes {
            if best.is_none_or(|(_, most)| *votes > most) {
                best = Some((*class, *votes));
            }
        }
        best.map(|(class, _)| class)
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

impl Metric for Vote {
    fn add(&mut self, outputs: &Tensor) -> Result<(), MetricError> {
        for row in outputs.to_vec2::<f32>()? {
            let expected = self.windows.len();
            let Some(place) = self.windows.get(self.answered) else {
                return Err(MetricError::Incomplete { expected, found: self.answered + 1 });
            };
            if row.len() != self.classes {
                return Err(MetricError::Shape { expected: vec![self.classes], found: vec![row.len()] });
            }
            let class = predicted(&row).ok_or(MetricError::NotFinite { sample: self.answered })? as u32;
            let recording = &mut self.recordings[*place];
            recording.vote(class);
            self.right += u64::from(class == recording.label);
            self.answered += 1;
        }
        Ok(())
    }

    fn finish(&self) -> Result<Measure, MetricError> {
        let expected = self.windows.len();
        let incomplete = MetricError::Incomplete { expected, found: self.answered };
        if self.answered != expected || expected == 0 {
            return Err(incomplete);
        }
        let truth: Vec<u32> = self.recordings.iter().map(|recording| recording.label).collect();
        let Some(answers) = self.recordings.iter().map(Recording::winner).collect::<Option<Vec<u32>>>() else {
            return Err(incomplete);
        };
        let scores = f1(&truth, &answers, self.classes);
        let always = f1(&truth, &vec![self.majority; truth.len()], self.classes);
        let right = truth.iter().zip(&answers).filter(|(truth, answer)| truth == answer).count();
        let mut details = BTreeMap::from([
            ("recordings".to_string(), truth.len() as f64),
            ("recording accuracy".to_string(), 100.0 * right as f64 / truth.len() as f64),
            ("window accuracy".to_string(), 100.0 * self.right as f64 / expected as f64),
            ("challenge F1 (N, A, O)".to_string(), mean(&scores[..CHALLENGE.min(self.classes)])),
        ]);
        for (class, score) in scores.iter().enumerate() {
            let name = self.names.get(class).cloned().unwrap_or_else(|| class.to_string());
            details.insert(format!("F1 of {name}"), *score);
        }
        if let Some(seen) = self.seen {
            details.insert("recordings that the search validates on".to_string(), seen as f64);
        }
        Ok(Measure {
            metric: "macro F1",
            unit: "",
            direction: Direction::Higher,
            value: mean(&scores),
            trivial: Trivial { name: "majority class".to_string(), value: mean(&always) },
            details,
        })
    }
}
