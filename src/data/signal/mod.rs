//! Sounds and other series of samples: spectra, rates, pieces of equal length. Knows no task and no file.
pub mod chunks;
pub mod lane_fft;
pub mod log_mel;
pub mod mel_bands;
pub mod resample;
pub mod window;
