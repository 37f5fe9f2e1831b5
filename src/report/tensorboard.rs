//! Event files that TensorBoard reads: scalars by step. The format is TensorFlow's: records of length, checksum, content, checksum
//! (tensorflow/core/lib/io/record_writer.h), each an `Event` in protocol buffers (tensorflow/core/util/event.proto). Knows no search.

/// A named value at a step.
#[derive(Clone, Debug, PartialEq)]
pub struct Scalar {
    pub tag: String,
    pub step: u64,
    pub value: f64,
}

/// One event file. Events stand at second `step` of a clock that begins at 0: equal scalars give equal bytes.
pub fn events(scalars: &[Scalar]) -> Vec<u8> {
    let mut out = Vec::new();
    // Event.file_version = 3; its wall_time of 0 is the default, which writers leave out
    record(&mut out, &bytes(3, b"brain.Event:2"));
    for scalar in scalars {
        // Summary.Value.tag = 1, Summary.Value.simple_value = 2
        let mut value = bytes(1, scalar.tag.as_bytes());
        value.push(2 << 3 | 5);
        value.extend((scalar.value as f32).to_le_bytes());
        // Event.wall_time = 1, Event.step = 2, Event.summary = 5, Summary.value = 1
        let mut event = double(1, scalar.step as f64);
        event.push(2 << 3);
        event.extend(varint(scalar.step));
        event.extend(bytes(5, &bytes(1, &value)));
        record(&mut out, &event);
    }
    out
}

fn record(out: &mut Vec<u8>, content: &[u8]) {
    let length = (content.len() as u64).to_le_bytes();
    out.extend(length);
    out.extend(masked(&length).to_le_bytes());
    out.extend(content);
    out.extend(masked(content).to_le_bytes());
}

/// A checksum that may be part of checksummed data (tensorflow/core/lib/hash/crc32c.h).
fn masked(data: &[u8]) -> u32 {
    crc32c::crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8)
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

/// A field of bytes, text or a message.
fn bytes(field: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![field << 3 | 2];
    out.extend(varint(content.len() as u64));
    out.extend(content);
    out
}

fn double(field: u8, value: f64) -> Vec<u8> {
    let mut out = vec![field << 3 | 1];
    out.extend(value.to_le_bytes());
    out
}
