//! Statistics on scores and errors: nothing here reads or writes.
pub mod deviation;
pub mod error_form;
pub mod gate;
pub mod improvement;
pub mod imputation;
pub mod paired;
pub mod panel;
pub mod picks;
pub mod profile;
pub mod rank;
pub mod spread;
pub mod standing;
pub mod table;
