//! What numpy and Python wrote is read, and what is written here is what numpy would write.

use crate::containers::{golden, unhex};
use crate::data_context::test_data;
use nasperf_pipe::data::npy::{Npy, NpyError, array_of};
use nasperf_pipe::data::npy_writer::start_npy;
use nasperf_pipe::data::pickle::Pickle;
use nasperf_pipe::data::pickle_object::{Id, Object};
use serde_json::{Value, json};
use std::fs::File;
use std::io::Read;
use std::path::Path;

fn rows(file: &str, reader: impl Read) -> Result<Vec<Vec<f32>>, NpyError> {
    let mut rows = Vec::new();
    let mut npy = Npy::open(file, reader)?;
    npy.rows_f32::<NpyError>(Path::new("."), &mut |_, row| {
        rows.push(row.to_vec());
        Ok(())
    })?;
    Ok(rows)
}

#[test]
fn npy_of_every_type_order_and_version() {
    let cases = golden("npy.json");
    for case in &cases {
        let (name, bytes) = (&case["name"], unhex(&case["hex"]));
        let shape: Vec<usize> = serde_json::from_value(case["shape"].clone()).unwrap();
        let npy = Npy::open("x.npy", bytes.as_slice()).unwrap();
        assert_eq!((npy.header().shape.as_slice(), json!(npy.header().fortran)), (&shape[..], case["fortran"].clone()));
        if case["fortran"] == json!(false) && case["version"] == 1 {
            let mut start = Vec::new();
            start_npy(&mut start, case["descr"].as_str().unwrap(), &shape).unwrap();
            assert!(bytes.starts_with(&start), "{name}: {}", String::from_utf8_lossy(&start));
        }
        if shape.is_empty() {
            assert!(rows("x.npy", bytes.as_slice()).is_err());
            continue;
        }
        let expected: Vec<Vec<f32>> = serde_json::from_value(case["rows"].clone()).unwrap();
        assert_eq!(rows("x.npy", bytes.as_slice()).unwrap(), expected, "{name}");
        for end in 0..bytes.len().min(200) {
            let cut = rows("x.npy", &bytes[..end]);
            assert!(cut.is_err() || shape.contains(&0), "{name} cut at {end}");
        }
    }
    assert!(cases.len() > 40);
}

/// The tree that `make.py` describes.
fn shown(pickle: &Pickle, id: Id) -> Value {
    let all = |ids: &[Id]| ids.iter().map(|id| shown(pickle, *id)).collect::<Vec<_>>();
    match pickle.get(id) {
        Object::None => Value::Null,
        Object::Bool(value) => json!(value),
        Object::Int(value) => json!(value),
        Object::Float(value) => json!(value),
        Object::Text(text) => json!(text),
        Object::Bytes(bytes) => {
            let hex: String = bytes.in_memory().unwrap().iter().map(|b| format!("{b:02x}")).collect();
            json!({"bytes": hex})
        }
        Object::Tuple(items) => json!({"tuple": all(items)}),
        Object::List(items) => json!(all(items)),
        Object::Dict(items) => json!({"dict": items.iter().map(|(k, v)| all(&[*k, *v])).collect::<Vec<_>>()}),
        Object::Array { dtype, shape, .. } if dtype.kind == 'O' => {
            json!({"shape": shape, "objects": all(pickle.elements(id).unwrap())})
        }
        Object::Array { dtype, shape, .. } if dtype.kind == 'U' || dtype.kind == 'S' => {
            json!({"shape": shape, "texts": pickle.texts(id).unwrap()})
        }
        Object::Array { shape, .. } => {
            let mut npy = array_of("x.pkl", pickle, id).unwrap();
            let mut values = vec![0.0; npy.remaining()];
            npy.next_f64(&mut values).unwrap();
            json!({"shape": shape, "values": values})
        }
        Object::Scalar { .. } => json!({"scalar": pickle.float(id).unwrap()}),
        other => panic!("{other:?}"),
    }
}

#[test]
fn pickles_of_every_protocol() {
    let mut count = 0;
    for case in golden("pickle.json") {
        for (protocol, hex) in case["hex"].as_object().unwrap() {
            let (name, bytes) = (format!("{} {protocol}", case["name"]), unhex(hex));
            let pickle = Pickle::read("x.pkl", &mut bytes.as_slice(), Path::new("."));
            let pickle = pickle.unwrap_or_else(|e| panic!("{name}: {e}"));
            assert_eq!(shown(&pickle, pickle.root()), case["value"], "{name}");
            for end in (0..bytes.len()).step_by(1 + bytes.len() / 300) {
                assert!(Pickle::read("x.pkl", &mut &bytes[..end], Path::new(".")).is_err(), "{name} cut at {end}");
            }
            count += 1;
        }
    }
    assert!(count > 40);
}

#[test]
fn real_arrays_and_pickles() {
    let Some(data) = test_data() else { return };
    let scratch = tempfile::tempdir().unwrap();
    let open = |name: &str| std::io::BufReader::new(File::open(data.join(name)).unwrap());
    let muscles = rows("train", open("ninapro/ninapro_train.npy")).unwrap();
    assert_eq!(muscles[0].len(), 52 * 8);
    let mut labels = Npy::open("labels", open("ninapro/label_train.npy")).unwrap();
    let mut gestures = vec![0; labels.remaining()];
    labels.next_i64(&mut gestures).unwrap();
    let (low, high) = (gestures.iter().min(), gestures.iter().max());
    assert_eq!((gestures.len(), low, high), (muscles.len(), Some(&0), Some(&6)));
    let sky = rows("tile", open("cosmic/saao_rf0420_tile0.npy")).unwrap();
    assert_eq!((sky.len(), sky[1].iter().sum::<f32>()), (3, 14.0), "the mask has 14 pixels");

    let satellite = Npy::open("satellite", open("satellite/satellite_test.npy")).unwrap();
    let satellite = satellite.into_object(scratch.path()).unwrap();
    let root = satellite.elements(satellite.root()).unwrap()[0];
    assert!(matches!(satellite.get(root), Object::Dict(_)), "a dict inside an array without axes");

    let distance = Npy::open("distance", open("psicov/distance/1guuA-cb.npy")).unwrap();
    let distance = distance.into_object(scratch.path()).unwrap();
    let [len, sequence, map] = distance.elements(distance.root()).unwrap() else { panic!() };
    assert_eq!((distance.integer(*len), distance.text(*sequence).map(str::len)), (Some(50), Some(50)));
    let mut map = array_of("distance", &distance, *map).unwrap();
    let mut distances = vec![0.0f32; 50 * 50];
    map.next_f32(&mut distances).unwrap();
    assert_eq!(distances[1], distances[50]);

    let ecg = Pickle::read("ecg", &mut open("ecg/challenge2017.pkl"), scratch.path()).unwrap();
    let records = ecg.elements(ecg.item(ecg.root(), "data").unwrap()).unwrap();
    let classes = ecg.texts(ecg.item(ecg.root(), "label").unwrap()).unwrap();
    let normal = classes.iter().filter(|class| *class == "N").count();
    assert_eq!((records.len(), classes.len(), normal), (24, 24, 8));
    for record in records {
        let record = array_of("ecg", &ecg, *record).unwrap();
        assert!((3028..=18170).contains(&record.remaining()) && record.header().width == 8);
    }
}
